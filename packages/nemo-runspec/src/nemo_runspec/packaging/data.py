"""Package data: the files beside modules that ``importlib.resources`` reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.closure import Closure
from nemo_runspec.packaging.code.secret_files import (
    KEPT_OUT,
    is_private_key,
    is_secret_name,
    refuse_secrets,
)

_NOT_DATA = frozenset({".py", ".pyc", ".pyo", ".pyi", ".so", ".pyd", ".dylib"})
_LARGEST_BYTES = 16 << 20


def find_data(closure: Closure) -> dict[Path, Path]:
    """Find the data of the packages whose data is read.

    Args:
        closure: What the recipe reaches.

    Returns:
        The files, each with the folder that its package's top-level name lies in.

    Raises:
        PackagingError: A file holds credentials, or is too large to be put into ``main.py``.
    """
    found: dict[Path, Path] = {}
    for name in sorted(closure.readers):
        package = closure.modules.get(name)
        if package is not None and package.is_package:
            for file in _files(package.folder):
                found[file] = package.root
    for file, root in found.items():
        _refuse_large(file)
        _refuse_secret(file, root)
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


def _refuse_secret(file: Path, root: Path) -> None:
    path = file.relative_to(root).as_posix()
    if is_secret_name(path) or is_private_key(file.read_bytes()):
        refuse_secrets([path], root, KEPT_OUT)
