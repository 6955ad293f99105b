class Drawer:
    __slots__ = ("__count",)

    def __init__(self, count):
        self.__count = count

    def count(self):
        return self.__count
