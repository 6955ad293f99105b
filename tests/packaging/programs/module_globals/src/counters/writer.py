count = 0


def advance():
    global count
    count += 1
