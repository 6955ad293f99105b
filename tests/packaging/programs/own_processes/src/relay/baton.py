CODE = 5


def carried_by(runners):
    return f"{len(runners)} {__name__}"
