class Safe:
    def __init__(self, secret):
        self.__secret = secret

    def __rub(self):
        return f"<{self.__secret}>"

    def inner(self):
        return self.__rub()
