import sys

from masks.plain import COLOUR


class Mask:
    face = f"{COLOUR} face"
    __name__ = __name__


sys.modules[__name__] = Mask()
