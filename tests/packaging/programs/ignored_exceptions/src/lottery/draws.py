class LostError(Exception):
    pass


def lose():
    raise LostError("no luck")


async def lose_later():
    lose()


class Ticket:
    def __del__(self):
        lose()
