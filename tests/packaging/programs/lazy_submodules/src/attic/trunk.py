_CONTENT = "clothes"


def inside():
    return _CONTENT
