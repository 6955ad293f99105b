def str(value):
    return f"<{value}>"


def show(value):
    return str(value)
