__all__ = ["x"]
_ = None
x = 2
__version__ = None
