_VERB = "shelved"


def shelve():
    return _VERB
