"""Ports of the loopback interface that stay free until a server takes them."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

HOST = "127.0.0.1"
# Below those that systems give to whoever asks for any, above those of Ray and of launch scripts.
_PORTS = range(30000, 32768)


@contextmanager
def free_ports(count: int) -> Iterator[list[int]]:
    """Keep ports from all others that ask here, in any process, until the block ends.

    A port that the system has named is free to be named again before a server binds it, and so a
    test beside this one may get it.

    Args:
        count: How many.
    """
    with ExitStack() as kept:
        yield [_claim(kept) for _ in range(count)]


def _claim(kept: ExitStack) -> int:
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with suppress(OSError):
            # A name that is nobody's file, and that the kernel forgets with the process.
            mark = socket.socket(socket.AF_UNIX)
            with ExitStack() as failing:
                failing.callback(mark.close)
                mark.bind(f"\0nemotron-tests-port-{port}")
                with socket.socket() as probe:
                    probe.bind((HOST, port))
                failing.pop_all()
            kept.callback(mark.close)
            return port
    raise RuntimeError(f"none of the ports {_PORTS.start} to {_PORTS.stop} is free")
