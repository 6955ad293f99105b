"""Which commit a packaged recipe comes from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.code.git import run_git

_COMMIT = "# branch.oid "
_NONE_YET = "(initial)"


@dataclass(frozen=True, slots=True)
class Origin:
    """The state of the code that was packaged.

    Attributes:
        commit: The checkout's commit; None outside one.
        dirty: Whether one of the packaged files differs from it; None where there is no commit.
    """

    commit: str | None = None
    dirty: bool | None = None

    def __str__(self) -> str:
        if self.commit is None:
            return "no commit is known"
        return f"commit {self.commit}{', with uncommitted changes' if self.dirty else ''}"


def find_origin(workspace: Path, files: Iterable[Path]) -> Origin:
    """Ask git about the files that are packaged, and about no others.

    Args:
        workspace: The folder of the checkout.
        files: The files; those outside it do not count.
    """
    inside = [str(file) for file in files if file.is_relative_to(workspace)]
    if not inside:
        return Origin()
    options = ("--porcelain=v2", "--branch", "--untracked-files=all", "--ignored=matching", "-z")
    try:
        answer = run_git(workspace, "--literal-pathspecs", "status", *options, "--", *inside)
    except PackagingError:
        return Origin()
    return _read(answer.decode("utf-8", "replace").split("\0"))


def _read(entries: list[str]) -> Origin:
    commit = next((entry[len(_COMMIT) :] for entry in entries if entry.startswith(_COMMIT)), None)
    changes = [entry for entry in entries if entry and not entry.startswith("#")]
    if commit in {None, _NONE_YET} or any(entry.startswith("!") for entry in changes):
        return Origin()
    return Origin(commit, bool(changes))
