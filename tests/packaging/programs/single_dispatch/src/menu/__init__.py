from functools import singledispatch


@singledispatch
def cook(thing):
    return "raw"
