"""The working tree as git sees it: what is tracked and what is neither tracked nor ignored."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nemo_runspec.packaging.code.git import find_top, run_git
from nemo_runspec.scratch import scratch_folder

_logger = logging.getLogger(__name__)

_LS_FILES = ("ls-files", "-z", "-t", "--stage", "--cached", "--others", "--exclude-standard")
_UNTRACKED = "? "
_SUBMODULE = "160000"
_RUN_FOLDER = ".nemotron"
# At the top of a tree: the embedded artifact root, the recipes' own outputs, W&B's run folders.
_OUTPUT_FOLDERS = frozenset({"artifacts", "output", "wandb"})


def tree_top(folder: Path) -> Path:
    """Find what is sent for a folder: its repository's top, else the folder itself.

    Raises:
        PackagingError: git is not installed, or refuses to look at the repository.
    """
    return find_top(folder) or folder.absolute()


def list_tree(top: Path) -> list[str]:
    """List the files of a working tree, submodules and repositories inside it included.

    Outside a repository the ``.gitignore`` files hold all the same. What jobs leave behind is no
    code: untracked files below ``.nemotron``, and below ``artifacts``, ``output`` or ``wandb`` at
    the top.

    Args:
        top: What :func:`tree_top` found.

    Returns:
        Paths relative to ``top``, with slashes, in the order of their bytes. Some may be gone from
        the disk, or be folders by now.

    Raises:
        PackagingError: git is not installed, or fails.
    """
    if find_top(top) is not None:
        found = set(_of_repository(top, PurePosixPath()))
    else:
        with scratch_folder("git") as empty:
            run_git(Path(empty), "init", "--quiet", "--template=")
            borrowed = (f"--git-dir={empty}/.git", f"--work-tree={top}")
            found = set(_of_repository(top, PurePosixPath(), *borrowed))
    return sorted(found, key=os.fsencode)


def _of_repository(folder: Path, at: PurePosixPath, *options: str) -> Iterator[str]:
    printed = run_git(folder, *options, *_LS_FILES)
    for line in os.fsdecode(printed).split("\0"):
        if line.startswith(_UNTRACKED):
            yield from _untracked(folder, at, line.removeprefix(_UNTRACKED))
        elif line:
            yield from _tracked(folder, at, line)


def _untracked(folder: Path, at: PurePosixPath, path: str) -> Iterator[str]:
    inside = at / path
    if _is_job_output(inside, folder / path):
        return
    if path.endswith("/"):
        yield from _of_repository(folder / path, inside)
    else:
        yield str(inside)


def _tracked(folder: Path, at: PurePosixPath, line: str) -> Iterator[str]:
    facts, _, path = line.partition("\t")
    inside = at / path
    if f" {_SUBMODULE} " not in f" {facts} ":
        yield str(inside)
    elif (folder / path / ".git").exists():
        yield from _of_repository(folder / path, inside)
    elif (folder / path).is_dir():
        _logger.warning(
            "The submodule %s is not checked out and is sent empty; "
            "check it out with: git submodule update --init --recursive",
            inside,
        )


def _is_job_output(path: PurePosixPath, file: Path) -> bool:
    if _RUN_FOLDER in path.parts:
        return True
    if path.parts[0] not in _OUTPUT_FOLDERS:
        return False
    # A link at the top stands for the folder on a larger disk.
    return len(path.parts) > 1 or file.is_symlink()
