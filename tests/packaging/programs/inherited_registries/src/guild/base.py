import itertools

_numbers = itertools.count(1)


def ranks():
    return [member.rank for member in Member.members]


class Member:
    members = []

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        cls.rank = next(_numbers)
        Member.members.append(cls)

    @classmethod
    def motto(cls):
        return __class__ is Member, cls.__module__
