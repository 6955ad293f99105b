from castle.towers import west


def view():
    return f"from {__name__} to {west.__name__}"
