"""Which tracking is the current one.

Framework hooks log from threads of their own, so this belongs to the process, not to a thread
or context.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from nemo_runspec.artifacts.session import ArtifactTrackingResult

T = TypeVar("T", bound="ArtifactTrackingResult | None")


class TrackingScope:
    """Holds the current tracking of the process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._active: ArtifactTrackingResult | None = None
        self._set_up: Counter[str] = Counter()

    def get(self) -> ArtifactTrackingResult | None:
        """The current tracking, or None where none was set up."""
        with self._lock:
            return self._active

    def get_or_open(self, open_one: Callable[[], T]) -> ArtifactTrackingResult | T:
        """The current tracking; where there is none, the one that is opened now, by one thread."""
        with self._lock:
            if self._active is not None:
                return self._active
            opened = open_one()
            self._active = opened
            return opened

    def set(self, tracking: ArtifactTrackingResult | None) -> ArtifactTrackingResult | None:
        """Make a tracking the current one.

        Returns:
            The one before it.
        """
        with self._lock:
            previous, self._active = self._active, tracking
            return previous

    def ordinal(self, identity: str) -> int:
        """How many trackings of this identity the process has set up before.

        Every rank runs the same program, so the number means the same tracking on each.
        """
        with self._lock:
            self._set_up[identity] += 1
            return self._set_up[identity] - 1


CURRENT = TrackingScope()
