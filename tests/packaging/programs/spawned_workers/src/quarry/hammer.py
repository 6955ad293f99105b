from quarry.stones import BrokenStone, Stone

_force = 1


def configure(force):
    global _force
    _force = force


def strike(stone: Stone) -> Stone:
    if stone.weight < 0:
        raise BrokenStone(stone)
    return Stone(stone.weight * _force)
