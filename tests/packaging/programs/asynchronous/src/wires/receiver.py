import asyncio

_END = object()


class Failure(Exception):
    pass


async def _words(queue):
    while (word := await queue.get()) is not None:
        yield word.upper()


async def run(queue):
    return [word async for word in _words(queue)] + [type(_END).__name__]


async def fail():
    await asyncio.sleep(0)
    raise Failure("received")
