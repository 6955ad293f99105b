_VERB = "read"


def read():
    return _VERB
