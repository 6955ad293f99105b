def rest():
    return sleep(
        hours=8,
        where="tent",
    )


def sleep(hours, where):
    raise ValueError(where)
