"""What an object store's client must offer, and what its failures mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol


class Outcome(Enum):
    """What a failed request did, and whether asking again helps.

    Attributes:
        ABSENT: The object is not there; some stores say so of a bucket too.
        NO_BUCKET: The bucket is not there.
        TAKEN: The object is there already, and was to be created.
        UNSUPPORTED: The store does not know this kind of request.
        REFUSED: Nothing was done, and asking again is of no use.
        BUSY: Nothing was done, and asking later may work.
        UNKNOWN: No usable reply came: it was done or not.
    """

    ABSENT = auto()
    NO_BUCKET = auto()
    TAKEN = auto()
    UNSUPPORTED = auto()
    REFUSED = auto()
    BUSY = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Trouble:
    """Why a request failed.

    Attributes:
        outcome: What became of it.
        what: One sentence, without any secret.
        hint: What to do about it.
    """

    outcome: Outcome
    what: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Patience:
    """How long to wait for an object store.

    Attributes:
        attempts: How often a request is made that may be made twice.
        connect_s: Seconds for one connection.
        reply_s: Seconds without a byte of the reply.
        pause_s: Seconds before the second attempt, at most; doubled for each further one.
    """

    attempts: int = 4
    connect_s: float = 5.0
    reply_s: float = 15.0
    pause_s: float = 1.0


@dataclass(frozen=True)
class Page:
    """A part of a listing.

    Attributes:
        folders: Keys of the folders, ending in ``/``.
        objects: Keys of the objects.
        following: What asks for the next page; None on the last one.
    """

    folders: list[str] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    following: str | None = None


class ObjectService(Protocol):
    """A kind of object store, through its fsspec filesystem. Paths are ``bucket/key``."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Whatever the filesystem raises when a request fails."""
        ...

    def connect(self, patience: Patience) -> Any:
        """Open a private filesystem that caches nothing and makes every request once."""
        ...

    def split(self, filesystem: Any, path: str) -> tuple[str, str]:
        """The bucket and the key of a path."""
        ...

    def read(self, filesystem: Any, path: str) -> bytes:
        """Read an object with one request."""
        ...

    def page(self, filesystem: Any, bucket: str, prefix: str, following: str | None) -> Page:
        """List what is directly below a prefix, with one request."""
        ...

    def lacks_bucket(self, filesystem: Any, bucket: str) -> bool:
        """Whether an absent object is so because its bucket is; False where errors tell."""
        ...

    def diagnose(self, error: Exception) -> Trouble:
        """What a failure means."""
        ...
