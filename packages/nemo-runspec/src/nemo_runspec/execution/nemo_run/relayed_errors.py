"""Errors of ours on their way out of the process that has NeMo-Run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from nemo_runspec import errors
from nemo_runspec.errors import NemotronError

_WORD = "nemotron-error: "
_CODE = 3


@contextmanager
def told() -> Iterator[None]:
    """Print an error of ours so that :func:`heard` finds it, and end the process."""
    try:
        yield
    except NemotronError as error:
        content = {"what": error.what, "where": error.where, "hint": error.hint}
        line = json.dumps({"kind": type(error).__name__, **content})
        sys.stderr.write(f"\n{_WORD}{line}\n")
        sys.exit(_CODE)


def heard(printed: str) -> NemotronError | None:
    """Find the error in what the process printed on standard error; None where it is not ours."""
    for line in printed.splitlines():
        if line.startswith(_WORD):
            content = json.loads(line.removeprefix(_WORD))
            kind = getattr(errors, content.pop("kind"), NemotronError)
            made: NemotronError = kind(**content)
            return made
    return None
