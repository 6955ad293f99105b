UNIT = "spokes"


def make(count):
    def made(times=count):
        return f"{count * times} {UNIT}"

    return made
