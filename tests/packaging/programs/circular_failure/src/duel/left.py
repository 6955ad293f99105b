from duel.right import parry


def strike():
    return parry()
