_CONTENT = "coins"


def inside():
    return _CONTENT
