__all__ = ["violin"]
__all__ += ["viola"]

violin = "violin"
viola = "viola"
cello = "cello"


def play():
    return [violin, viola, cello]
