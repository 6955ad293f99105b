performances = globals().get("performances", 0) + 1
print(f"{__name__} performs")


class Actor:
    pass


def left_over():
    return performances * 10
