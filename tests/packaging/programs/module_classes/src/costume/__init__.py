import sys
import types


class Costume(types.ModuleType):
    def __call__(self, animal):
        return f"dressed as {animal}"

    @property
    def size(self):
        return len(self.__name__)


sys.modules[__name__].__class__ = Costume
