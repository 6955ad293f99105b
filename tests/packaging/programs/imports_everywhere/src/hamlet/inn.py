_WHAT = "bed"


def bed():
    return _WHAT
