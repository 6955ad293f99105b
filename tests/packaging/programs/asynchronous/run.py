"""Coroutines, asynchronous generators and task groups of modules that share private names."""

import asyncio

from wires import receiver, sender


async def main():
    queue = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        group.create_task(sender.run(queue), name="sender")
        task = group.create_task(receiver.run(queue), name="receiver")
    print(task.result(), repr(task.get_coro()).partition(" at ")[0])
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(sender.fail())
            group.create_task(receiver.fail())
    except* sender.Failure as found:
        print("sender", found.exceptions)
    except* receiver.Failure as found:
        print("receiver", found.exceptions)


asyncio.run(main())
