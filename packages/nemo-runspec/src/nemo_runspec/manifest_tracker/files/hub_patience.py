"""How long an operation goes on against a Hub that is slow, busy or contended."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_JITTER_STEPS = 1000
_EXHAUSTED = re.compile(r'"[^"]*"\s*;\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d+)')


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits of one operation.

    Attributes:
        connect_s: Seconds for one connection.
        reply_s: Seconds without a byte of a reply after which it counts as lost.
        commit_s: The same for the reply to a commit.
        tries: How often a request is made that the Hub is too busy for, or does not answer.
        conflicts: How often a commit is made that others' commits overtake.
        longest_wait_s: The longest wait that the Hub may ask for.
        pause_s: The first pause before a busy Hub is asked again; it doubles.
        conflict_pause_s: The first pause after another's commit; it doubles.
        longest_pause_s: The longest pause of our own.
    """

    connect_s: float = 5.0
    reply_s: float = 15.0
    commit_s: float = 60.0
    tries: int = 4
    conflicts: int = 40
    longest_wait_s: float = 60.0
    pause_s: float = 0.5
    conflict_pause_s: float = 0.05
    longest_pause_s: float = 8.0

    def between_tries(self) -> Pauses:
        """The pauses before a busy Hub is asked again."""
        return Pauses(self.tries, self.pause_s, self)

    def between_conflicts(self) -> Pauses:
        """The pauses after others' commits."""
        return Pauses(self.conflicts, self.conflict_pause_s, self)


class Pauses:
    """The pauses between the tries of one operation.

    Args:
        tries: How many tries there are.
        first_s: The longest that the first pause may be.
        limits: The longest pause and wait.
    """

    def __init__(self, tries: int, first_s: float, limits: Patience) -> None:
        self._left = tries - 1
        self._next_s = first_s
        self._limits = limits

    def wait(self, asked_s: float = 0.0) -> bool:
        """Pause before the next try, for a random part of a time that doubles.

        Args:
            asked_s: What the Hub asked to wait.

        Returns:
            False, at once, where there is no next try.
        """
        if self._left <= 0 or asked_s > self._limits.longest_wait_s:
            return False
        self._left -= 1
        # Not from the random module: its state is the training's, alike on all ranks.
        part = (1 + secrets.randbelow(_JITTER_STEPS)) / _JITTER_STEPS
        time.sleep(asked_s + self._next_s * part)
        self._next_s = min(self._limits.longest_pause_s, self._next_s * 2)
        return True


def asked_wait_s(headers: Mapping[str, str]) -> float:
    """The seconds that a busy Hub asks to wait; 0 where it does not say.

    Args:
        headers: Of its reply, with names in any case.
    """
    exhausted = _EXHAUSTED.search(headers.get("RateLimit", ""))
    if exhausted:
        return float(exhausted.group(1))
    asked = headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return 0.0
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
