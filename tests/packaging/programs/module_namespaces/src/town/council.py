SEATS = 3


def run(source):
    exec(source, globals())
    return SEATS
