from .utils import describe


def blow():
    return describe("wind")
