"""Call the client with a bound on the time that the caller waits.

The client retries by itself, for longer than it is told and not always where it can be stopped:
the call goes to a thread that is left behind when time is up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from nemo_runspec.errors import StoreError

T = TypeVar("T")


class WandbUnreachableError(StoreError):
    """W&B cannot be reached, or did not answer in time."""


def within(timeout_s: float, call: Callable[[], T], *, what: str) -> T:
    """Call a function, and wait for it no longer than so long.

    Args:
        timeout_s: How long.
        call: The function. When time is up it goes on without anyone who listens.
        what: What it does, for the message: ``look up team/nemotron/data:v3``.

    Raises:
        WandbUnreachableError: It did not return in time.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - the caller gets it, unless it has left
            future.set_exception(error)

    threading.Thread(target=run, name="nemotron-wandb", daemon=True).start()
    done, _ = wait([future], timeout_s)
    if not done:
        raise WandbUnreachableError(
            f"W&B did not {what} in {timeout_s:g} s.",
            hint="Check that its server can be reached from here, then try again.",
        )
    return future.result()
