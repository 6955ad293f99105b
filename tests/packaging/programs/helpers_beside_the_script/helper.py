from tools_beside.measure import length

from outside_of import UNIT


def help_with(number):
    return f"{length('x' * number)} {UNIT}"
