"""Files that patterns name, with the paths that they get in an archive."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.code.archive import Member
from nemo_runspec.packaging.code.tree import Kind


def pattern_members(pattern: str, folder: str | Path) -> Iterator[Member]:
    """List the regular files that a pattern names, and those in the folders that it names.

    Args:
        pattern: A path with ``*``, ``?``, ``[…]`` as in a shell; a relative one starts in the
            working directory. Links are left out.
        folder: What the paths in the archive are relative to; of a path that leads out of it,
            what stands behind the last ``..`` is kept.

    Raises:
        PackagingError: No file matches, or the folder does not exist.
    """
    if not Path(folder).is_dir():
        raise PackagingError("The folder of a pattern does not exist.", where=str(folder))
    relative = os.path.relpath(pattern, folder)
    found = sorted(set(_files(Path(folder), relative)))
    if not found:
        raise PackagingError(
            f"No file matches the pattern {pattern!r}.",
            where=str(folder),
            hint="Correct it, or leave it out.",
        )
    for path in found:
        mode = (Path(folder) / path).stat().st_mode
        kind: Kind = "executable" if mode & stat.S_IXUSR else "file"
        yield Member(_name(path), kind, Path(folder) / path)


def _files(folder: Path, relative: str) -> Iterator[str]:
    named = [relative] if (folder / relative).exists() else glob.glob(relative, root_dir=folder)  # noqa: PTH207 - relative paths, as a shell spells them
    for path in named:
        if _is_file(folder / path):
            yield path
        elif not (folder / path).is_symlink():
            for current, _, files in os.walk(folder / path):
                at = os.path.relpath(current, folder)
                yield from (
                    os.path.normpath(f"{at}/{name}")
                    for name in files
                    if _is_file(Path(current, name))
                )


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _name(path: str) -> str:
    return path.rpartition("../")[2]
