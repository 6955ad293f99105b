_WHAT = "grain"


def grain():
    return _WHAT
