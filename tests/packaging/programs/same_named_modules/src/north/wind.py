from north.utils import describe


def blow():
    return describe("wind")
