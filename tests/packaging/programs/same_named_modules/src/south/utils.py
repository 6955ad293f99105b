def describe(name):
    return f"{name} is warm"
