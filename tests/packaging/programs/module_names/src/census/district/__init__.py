NAMES = (__name__, __package__)
