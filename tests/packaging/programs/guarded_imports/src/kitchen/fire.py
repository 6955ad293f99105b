def heat():
    return f"fire in {__name__}"
