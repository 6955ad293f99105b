"""Programs installed and packaged, side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nemo_runspec.packaging import package_script


def package(script: Path, source: Path, packages: Sequence[str], output: Path) -> Path:
    """Package a script, and return its ``main.py``.

    Args:
        script: The script.
        source: The folder that its packages lie in.
        packages: Their names.
        output: A folder that does not exist yet.
    """
    with _importable(source):
        return package_script(script, output, packages=packages).main


@contextmanager
def _importable(source: Path) -> Iterator[None]:
    sys.path.insert(0, str(source))
    try:
        yield
    finally:
        sys.path.remove(str(source))
