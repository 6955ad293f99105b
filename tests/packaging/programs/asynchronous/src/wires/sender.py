import asyncio

_END = None


class Failure(Exception):
    pass


async def _words():
    for word in ("a", "b", "c"):
        await asyncio.sleep(0)
        yield word


async def run(queue):
    async for word in _words():
        await queue.put(word)
    await queue.put(_END)


async def fail():
    raise Failure("sent")
