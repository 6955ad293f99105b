"""Lessons.

>>> add(1, 2)
3
"""


def add(left, right):
    """Add.

    >>> add(1, 1)
    2
    >>> _secret
    'private'
    """
    return left + right


_secret = "private"
