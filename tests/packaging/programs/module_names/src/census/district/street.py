from . import NAMES as ABOVE

NAMES = (ABOVE, __name__, __package__)


def resident():
    return __name__
