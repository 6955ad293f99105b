from guild.base import Member


class Apprentice(Member):
    @classmethod
    def motto(cls):
        return "iron", super().motto()
