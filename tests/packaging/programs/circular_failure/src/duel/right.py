from duel.left import strike


def parry():
    return strike()
