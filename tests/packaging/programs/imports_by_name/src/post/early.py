def letter():
    return f"early {__name__}"
