from guild import base


class Apprentice(base.Member):
    @classmethod
    def motto(cls):
        return "bread", super().motto()
