class Error(Exception):
    pass


def trip():
    raise Error("tripped")
