from catalogue.numbers import show

id = 7
max = None


def list(values):
    return tuple(sorted(values))


def open(name):
    return f"opened {name}"


def print(text):
    return f"printed {text}"


def total(values):
    return show(sum(values)), str(len(values))
