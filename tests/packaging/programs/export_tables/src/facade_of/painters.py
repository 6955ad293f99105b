_TOOL = "brush"


def paint(what):
    return f"{what} by {_TOOL}"
