import os  # noqa: F401 - goes on with the star

_private = 1


def len(_):
    return "long"


def sum(values):
    return f"some of {values}"
