from mirrors import right

deepest = 0


def look(depth):
    global deepest
    deepest = max(deepest, depth)
    right.look(depth + 1)
