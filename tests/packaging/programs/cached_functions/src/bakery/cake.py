import functools

from bakery import bread


class Oven(bread.Oven):
    @functools.cached_property
    def heat(self):
        return super().heat - 70


@functools.lru_cache(maxsize=1)
def bake(count):
    return f"{count} cakes and {bread.bake(count)}"
