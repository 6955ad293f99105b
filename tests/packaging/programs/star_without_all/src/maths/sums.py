_private = 2


def added(values):
    return sum(values) + len(values) + _private
