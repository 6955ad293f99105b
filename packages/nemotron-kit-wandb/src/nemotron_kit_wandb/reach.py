"""Ask whether the W&B server answers: one plain request, bounded, without the client.

The client itself tries again for far longer than it is told, so whoever must not be kept waiting
asks here first.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from ssl import SSLError
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from nemotron_kit_wandb.calling import WandbUnreachableError, within
from nemotron_kit_wandb.client import end_core
from nemotron_kit_wandb.credentials import find_server

logger = logging.getLogger(__name__)

ASK_S = 3.0
SILENCE_S = 4.0

_QUESTION = json.dumps({"query": "query Viewer { viewer { id } }"}).encode()
_PAUSE_S = 0.5


def answers(server: str | None = None, *, timeout_s: float = ASK_S) -> bool:
    """Whether a server answers now, whatever it says: not even a key is needed.

    Args:
        server: Its address; by default where the client goes.
        timeout_s: How long it has, from the look-up of its name to the end of its reply.
    """
    address = server or find_server()
    try:
        return within(timeout_s, lambda: _ask(address, timeout_s), what="answer")
    except WandbUnreachableError:
        return False
    except RuntimeError:  # Python 3.12.1 starts no thread while it exits
        return _ask(address, timeout_s)


def _ask(server: str, timeout_s: float) -> bool:
    request = Request(  # noqa: S310 - the user's own server
        f"{server}/graphql", data=_QUESTION, headers={"Content-Type": "application/json"}
    )
    try:
        with urlopen(request, timeout=timeout_s) as reply:  # noqa: S310 - as above
            reply.read()
    except HTTPError as error:
        error.close()
        # It wants a key, which the client has. What is above says that it cannot serve now.
        return error.code < HTTPStatus.INTERNAL_SERVER_ERROR
    except URLError as error:
        # A certificate that only the client's settings know of is a server all the same.
        return isinstance(error.reason, SSLError)
    except (OSError, HTTPException, ValueError):
        return False
    return True


class Attendance:
    """Watches a server while somebody waits for it.

    Args:
        silence_s: A server that answered nothing for so long is given up.
        longest_s: Whoever waits does so no longer, whatever the server answers.
    """

    def __init__(self, *, silence_s: float = SILENCE_S, longest_s: float = 300.0) -> None:
        self._silence_s = silence_s
        self._ends_at = time.monotonic() + longest_s
        self._heard_at = time.monotonic()
        self._server = find_server()

    def wait(self, done: threading.Event, *, until: float | None = None) -> bool:
        """Wait for an event for as long as the server answers.

        Args:
            done: The event.
            until: A point of :func:`time.monotonic` after which nobody waits.

        Returns:
            Whether it came.
        """
        while not done.is_set():
            late = until is not None and time.monotonic() > until
            if late or not self._still_there(done):
                return done.is_set()
            done.wait(_PAUSE_S)
        return True

    def _still_there(self, done: threading.Event) -> bool:
        now = time.monotonic()
        left_s = min(self._heard_at + self._silence_s, self._ends_at) - now
        if left_s <= 0:
            return False
        if answers(self._server, timeout_s=min(left_s, ASK_S)):
            self._heard_at = time.monotonic()
        else:
            done.wait(min(_PAUSE_S, left_s))
        return True


@contextmanager
def attended(
    attendance: Attendance,
    give_up: threading.Event | None = None,
    first: Callable[[], object] | None = None,
) -> Iterator[None]:
    """End the client's own process where the server is silent, so that a call to it returns.

    A call that the body makes then raises an error of the client's.

    Args:
        attendance: Watches the server.
        give_up: Set when the client was ended.
        first: What is done before it is ended, in no more than a moment.
    """
    done = threading.Event()

    def watch() -> None:
        if not attendance.wait(done):
            logger.warning("W&B at %s does not answer; it is not waited for.", find_server())
            if give_up is not None:
                give_up.set()
            try:
                if first is not None:
                    first()
            finally:
                end_core()

    watcher = threading.Thread(target=watch, name="nemotron-wandb-attendance", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
