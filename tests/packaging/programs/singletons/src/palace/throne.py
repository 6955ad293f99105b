executions = globals().get("executions", 0) + 1
print("throne is set up")


class King:
    _instance = None
    made = 0

    @classmethod
    def instance(cls):
        if cls._instance is None:
            cls._instance = cls()
            King.made += 1
        return cls._instance
