SETTING = "of the package"


def shout():
    return "package shouts"
