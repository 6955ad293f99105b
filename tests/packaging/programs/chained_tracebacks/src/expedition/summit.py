from expedition import camp


class StormError(Exception):
    """Weather."""


def reach(tries):
    try:
        camp.rest()
    except ValueError:
        if tries:
            return reach(tries - 1)
        raise StormError("at the top")
