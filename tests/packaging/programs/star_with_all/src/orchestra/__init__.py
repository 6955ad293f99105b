from .strings import *  # noqa: F403

__all__ = ["_baton", "strings", "violin"]
hidden = "not listed"


def _baton():
    return "up"
