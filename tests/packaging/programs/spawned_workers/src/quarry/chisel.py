from quarry.stones import Stone

_force = 3


def strike(stone):
    return Stone(stone.weight + _force)
