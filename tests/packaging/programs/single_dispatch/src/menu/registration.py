from menu import cook


class Dish:
    pass


@cook.register
def _(thing: str):
    return f"fried {thing}"


@cook.register
def _cooked(thing: Dish):
    return "another dish"
