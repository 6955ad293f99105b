"""Run git on a folder, without what surrounds this process getting in between."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from nemo_runspec.errors import PackagingError

_LIMIT_S = 120
# A hook of git starts its programs with these set, for the repository that it belongs to.
_OF_A_HOOK = frozenset(
    f"GIT_{name}"
    for name in (
        *("DIR", "WORK_TREE", "INDEX_FILE", "OBJECT_DIRECTORY", "COMMON_DIR", "NAMESPACE"),
        *("PREFIX", "ALTERNATE_OBJECT_DIRECTORIES"),
    )
)


def run_git(folder: Path, *arguments: str) -> bytes:
    """Run git in a folder and return what it prints.

    Args:
        folder: Where it runs.
        arguments: The subcommand and its arguments.

    Raises:
        PackagingError: git is not installed, takes too long or fails; the sentence is git's own.
    """
    try:
        done = subprocess.run(  # noqa: S603 - fixed program, arguments are ours
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - git is found as users find it
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT_S,
            env=_environment(),
        )
    except FileNotFoundError as error:
        raise PackagingError(
            "git is needed to tell which files belong to the code, and is not installed.",
            where=str(folder),
            hint="Install git, or use the self_contained packager.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PackagingError(
            f"git {arguments[0]} took longer than {_LIMIT_S} s.", where=str(folder)
        ) from error
    if done.returncode != 0:
        raise _failure(folder, arguments, done.stderr)
    return done.stdout


def find_top(folder: Path) -> Path | None:
    """Find the top folder of the repository that a folder lies in; None where it is in none.

    Raises:
        PackagingError: git is not installed, or refuses to look at the repository.
    """
    try:
        printed = run_git(folder, "rev-parse", "--show-toplevel")
    except PackagingError as error:
        if "not a git repository" in error.what:
            return None
        raise
    return Path(os.fsdecode(printed.removesuffix(b"\n")))


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def _failure(folder: Path, arguments: tuple[str, ...], printed: bytes) -> PackagingError:
    lines = [line for line in printed.decode(errors="replace").splitlines() if line.strip()]
    first = lines[0].removeprefix("fatal: ").rstrip(".") if lines else "no reason given"
    hint = None
    subcommand = next((word for word in arguments if not word.startswith("-")), "")
    if "dubious ownership" in first:
        hint = f"If you trust it: git config --global --add safe.directory {folder}"
    return PackagingError(f"git {subcommand} failed: {first}.", where=str(folder), hint=hint)
