from plugins_of_shapes import circle, square
from shapes_registry import register


class Holder:
    @staticmethod
    @register
    def area(size):
        return size
