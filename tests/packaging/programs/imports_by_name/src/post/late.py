def letter():
    return f"late {__name__}"
