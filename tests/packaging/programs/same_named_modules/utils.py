def describe(name):
    return f"{name} beside the script"
