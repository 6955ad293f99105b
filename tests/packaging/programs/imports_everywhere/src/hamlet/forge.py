_WHAT = "iron"


def iron():
    return _WHAT
