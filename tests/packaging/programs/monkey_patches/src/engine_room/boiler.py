def pressure():
    return 10


def run():
    return f"pressure {pressure()}"
