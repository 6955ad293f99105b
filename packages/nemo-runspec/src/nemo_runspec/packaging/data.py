"""Package data: the files beside modules that ``importlib.resources`` reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.closure import Closure

_NOT_DATA = frozenset({".py", ".pyc", ".pyo", ".pyi", ".so", ".pyd", ".dylib"})
_LARGEST_BYTES = 16 << 20


def find_data(closure: Closure) -> dict[Path, Path]:
    """Find the data of the packages whose data is read.

    Args:
        closure: What the recipe reaches.

    Returns:
        The files, each with the folder that its package's top-level name lies in.

    Raises:
        PackagingError: A file is too large to be put into ``main.py``.
    """
    found: dict[Path, Path] = {}
    for name in sorted(closure.readers):
        package = closure.modules.get(name)
        if package is not None and package.is_package:
            for file in _files(package.folder):
                found[file] = package.root
    for file in found:
        _refuse_large(file)
    return found


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part == "__pycache__" for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix not in _NOT_DATA:
            yield path


def _refuse_large(file: Path) -> None:
    size_bytes = file.stat().st_size
    if size_bytes > _LARGEST_BYTES:
        raise PackagingError(
            f"The package data is too large for one file: {size_bytes:,} bytes.",
            where=str(file),
            hint='Use the code packager: packager = "code".',
        )
