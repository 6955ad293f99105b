"""The docstring comes first, and a comment."""

# The rest is text.
from __future__ import annotations

YEAR: int | undefined = 2  # noqa: F821


def day(number: int | undefined) -> str: ...  # noqa: F821
