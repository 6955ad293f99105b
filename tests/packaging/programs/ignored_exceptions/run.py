"""Exceptions in threads, destructors and exit functions, and of tasks that nobody awaits, are shown."""

import asyncio
import atexit
import gc
import sys
import threading

from lottery import draws
from lottery.draws import Ticket


def fail():
    try:
        draws.lose()
    except draws.LostError as error:
        raise RuntimeError("in a thread") from error


for target in (fail, draws.lose, sys.exit):
    thread = threading.Thread(target=target, name=f"runs {target.__name__}")
    thread.start()
    thread.join()

ticket = Ticket()
del ticket
atexit.register(draws.lose)
atexit.register(fail)


async def main():
    asyncio.get_running_loop().create_task(draws.lose_later(), name="later")
    await asyncio.sleep(0)
    gc.collect()


asyncio.run(main())
print("the end", draws.__name__, flush=True)
