_TOOL = "trowel"


def build(what):
    return f"{what} by {_TOOL}"
