"""What there is to see."""

import functools


class Painting:
    """Oil on canvas."""

    def hang(self):
        return "on the wall"  # with a nail


# Carefully.
def restore(painting: Painting, *, years: int = 3) -> Painting:
    return painting if years else None


def twice(function):
    @functools.wraps(function)
    def wrapper():
        return function() * 2

    return wrapper


@twice
def wrapped():
    return 1
