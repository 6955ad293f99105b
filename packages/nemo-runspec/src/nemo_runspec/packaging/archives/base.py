"""What every packager does: put code into one archive, as NeMo-Run's packagers are asked to."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from nemo_runspec.errors import PackagingError


@runtime_checkable
class Packager(Protocol):
    """Something that puts code into an archive."""

    def package(self, path: Path, job_dir: str | Path, name: str) -> str | None:
        """Write the archive.

        Args:
            path: The folder that the code is taken from.
            job_dir: Where the archive is written.
            name: Its name, without ``.tar.gz``.

        Returns:
            The archive's path; None where there is nothing to send.
        """
        ...


def as_list(value: str | tuple[str, ...] | list[str]) -> list[str]:
    """Read an option that is one text or several."""
    return [value] if isinstance(value, str) else list(value)


def paired(
    patterns: list[str], folders: list[str], options: tuple[str, str]
) -> list[tuple[str, str]]:
    """Put each pattern together with its folder; an empty pattern stands for none.

    Args:
        patterns: One pattern for each folder.
        folders: One folder for each pattern.
        options: What the two options are called.

    Raises:
        PackagingError: They are not as many.
    """
    if len(patterns) != len(folders):
        raise PackagingError(
            f"{options[0]!r} has {len(patterns)} entries and {options[1]!r} {len(folders)}.",
            hint="Give each pattern its folder.",
        )
    return [pair for pair in zip(patterns, folders, strict=True) if pair[0]]
