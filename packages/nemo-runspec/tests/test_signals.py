"""Signals end a block in order, wait for it, or go where they went before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from nemo_runspec.signals import not_now, orderly_end

# Is told to end, cleans up, and is told again while it does.
TWICE = """
import os, signal, sys
from nemo_runspec.signals import orderly_end
with orderly_end():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        print("cleaning up", flush=True)
        if "again" in sys.argv:
            os.kill(os.getpid(), signal.SIGTERM)
        print("cleaned up", flush=True)
"""


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises, also where whoever started the tests ignores it: in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_signal_waits_until_the_block_has_ended() -> None:
    reached: list[str] = []

    def interrupted() -> None:
        with not_now():
            signal.raise_signal(signal.SIGINT)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 128 + signal.SIGTERM, "cleaning up\ncleaned up\n"),
        (["again"], -signal.SIGTERM, "cleaning up\n"),
    ],
)
def test_the_first_signal_ends_in_order_and_the_second_at_once(
    arguments: list[str], code: int, said: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TWICE, *arguments], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, said, "")


def test_a_hangup_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with orderly_end():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_leaves_signals_alone() -> None:
    seen: list[object] = []

    def enter() -> None:
        with orderly_end(), not_now():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()

    assert seen == [signal.getsignal(signal.SIGTERM)]
