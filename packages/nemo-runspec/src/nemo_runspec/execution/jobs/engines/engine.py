"""What is asked of an engine, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from nemo_runspec.errors import TransferError
from nemo_runspec.execution.jobs.status import JobStatus

# Seconds that an engine may take for one answer.
TIME_LIMIT_S = 20
# Seconds of silence after which a connection is taken to be dead, and made again.
SILENCE_LIMIT_S = 600

_LOGIN_REFUSED = (401, 403)

Opener: TypeAlias = Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Output:
    """What one container prints.

    Attributes:
        open: Opens it, from its beginning; it comes until the container or the connection ends.
        goes_on: Whether the container has not ended.
    """

    open: Opener
    goes_on: bool


class AskedJob(Protocol):
    """One job on its engine.

    Each method raises ``TransferError`` where the engine does not answer.
    """

    def status(self) -> JobStatus:
        """Find out where the job stands; ``lost`` where the engine does not know it."""
        ...

    def end(self) -> None:
        """Ask for the job's end; one that is gone is left alone."""
        ...

    def printed(self) -> Mapping[str, Output]:
        """Name its containers that print something, in their order."""
        ...


def unanswered(engine: str, error: BaseException) -> TransferError:
    """The error for an engine that cannot be asked now.

    Args:
        engine: What it is called, with its address where that is known.
        error: What its client says.
    """
    root = _root(error)
    reason = getattr(root, "strerror", None) or getattr(root, "reason", None) or root
    first = str(reason).partition("\n")[0].rstrip(".") or type(root).__name__
    return TransferError(f"{engine} does not answer: {first}.", hint="Check the network.")


def refused(engine: str, code: int, hint: str) -> TransferError:
    """The error for an engine that answers, and not what was asked.

    Args:
        engine: What it is called, with its address where that is known.
        code: The HTTP status.
        hint: What to do where it is the login that it does not take.
    """
    if code in _LOGIN_REFUSED:
        return TransferError(f"{engine} refuses the login (HTTP {code}).", hint=hint)
    return TransferError(
        f"{engine} answers with HTTP {code}.", hint="Try again later, or look at its console."
    )


def _root(error: BaseException) -> BaseException:
    """What a client's error is about, which it wraps several times."""
    wrapped = (error.__cause__, getattr(error, "reason", None), *error.args)
    for inner in wrapped:
        if isinstance(inner, BaseException):
            return _root(inner)
    return error
