SEATS = 100


def names():
    return sorted(name for name in globals() if not name.startswith("__"))


def value_of(expression):
    return eval(expression)
