_WHAT = "hay"


def hay():
    return _WHAT
