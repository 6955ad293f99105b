"""NeMo-Run keeps what it does in a home of its own, which it looks up as it is imported."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ["NEMORUN_HOME"] = tempfile.mkdtemp(prefix="nemorun-")


@pytest.fixture(autouse=True)
def empty_stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """NeMo-Run passes its own input on to the commands that it runs."""
    with Path(os.devnull).open(encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield
