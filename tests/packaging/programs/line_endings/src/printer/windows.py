TEXT = """one
two \
three"""


def short():
    return TEXT


def fail():
    raise ValueError(
        "windows",
    )
