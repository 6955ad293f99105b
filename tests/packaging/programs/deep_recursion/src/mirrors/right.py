from mirrors import left


def look(depth):
    left.look(depth + 1)
