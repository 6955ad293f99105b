from json import dumps as real


def dumps(value):
    return f"own {real(value)}"
