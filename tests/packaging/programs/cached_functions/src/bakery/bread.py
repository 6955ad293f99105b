import functools


class Oven:
    heats = 0

    @functools.cached_property
    def heat(self):
        Oven.heats += 1
        return 250


@functools.cache
def bake(count):
    return f"{count} loaves"
