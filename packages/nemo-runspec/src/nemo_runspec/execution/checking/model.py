"""One thing that was looked at, and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was found.

    Attributes:
        name: What was looked at, in a word or two.
        state: ``failed`` keeps jobs from running, ``warning`` does not, ``unknown`` was not found
            out.
        says: One sentence.
        cure: What can be done; None where nothing has to be.
    """

    name: str
    state: State
    says: str
    cure: str | None = None


def passed(name: str, says: str) -> Check:
    """Nothing is wrong."""
    return Check(name, "ok", says)


def failed(name: str, says: str, cure: str | None) -> Check:
    """Jobs would not run."""
    return Check(name, "failed", says, cure)


def warned(name: str, says: str, cure: str | None = None) -> Check:
    """Jobs would run, with a loss."""
    return Check(name, "warning", says, cure)


def unknown(name: str, says: str) -> Check:
    """It could not be found out."""
    return Check(name, "unknown", says)
