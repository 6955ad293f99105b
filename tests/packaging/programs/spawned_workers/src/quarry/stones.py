from dataclasses import dataclass


@dataclass
class Stone:
    weight: int


class BrokenStone(Exception):
    def __init__(self, stone):
        super().__init__(stone)
        self.stone = stone
