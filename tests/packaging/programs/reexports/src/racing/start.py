WORD = "go"


def start():
    return WORD
