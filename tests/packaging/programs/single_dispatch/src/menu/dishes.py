from menu import cook


class Dish:
    pass


@cook.register
def _(thing: int):
    return f"{thing} times"


@cook.register
def _cooked(thing: Dish):
    return "a dish"
