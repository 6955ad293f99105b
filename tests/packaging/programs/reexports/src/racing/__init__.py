from racing.start import start

from . import finish as finish

__all__ = ["finish", "start"]
