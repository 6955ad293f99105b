YEAR: int = 1


def day(number: int) -> str:
    return str(number)
