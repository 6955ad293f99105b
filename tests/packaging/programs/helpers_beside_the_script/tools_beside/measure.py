UNIT = "cm"


def length(text):
    return f"{len(text)} {UNIT}"
