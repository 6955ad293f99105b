def describe(name):
    return f"{name} is cold"
