"""The ``git_archive`` packager: a commit, as ``git archive`` gives it."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.archives.base import as_list, paired
from nemo_runspec.packaging.archives.patterns import pattern_members
from nemo_runspec.packaging.archives.reading import archive_members
from nemo_runspec.packaging.code.archive import Member, write_archive
from nemo_runspec.packaging.code.git import find_top, run_git
from nemo_runspec.packaging.code.secret_files import warn_of_secrets
from nemo_runspec.scratch import scratch_folder

_LISTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class GitArchivePackager:
    """Sends what a commit holds; the options are those of NeMo-Run's.

    This one requires a git repository: a commit lies in nothing else.

    Attributes:
        basepath: A folder in the repository; by default the one that is packaged.
        subpath: The folder of the repository whose files are sent; it becomes the top.
        ref: The commit, as git names it.
        include_submodules: Send the commits that submodules stand at, too, each at its path from
            the repository's top.
        include_pattern: Further files, tracked or not, see :class:`PatternPackager`.
        include_pattern_relative_path: For each pattern, the folder that its paths are relative to;
            by default the repository's top.
        check_uncommitted_changes: Refuse where tracked files differ from the commit.
        check_untracked_files: Refuse where there are untracked files that are not ignored.
    """

    basepath: str = ""
    subpath: str = ""
    ref: str = "HEAD"
    include_submodules: bool = True
    include_pattern: str | tuple[str, ...] = ""
    include_pattern_relative_path: str | tuple[str, ...] = ""
    check_uncommitted_changes: bool = False
    check_untracked_files: bool = False

    def package(self, path: Path, job_dir: str | Path, name: str) -> str:
        """Write the archive.

        Raises:
            PackagingError: There is no repository, no such commit or folder in it; something is
                not committed and has to be; a pattern matches nothing; or the archive cannot be
                written.
        """
        output = Path(job_dir) / f"{name}.tar.gz"
        top = _top_of(Path(self.basepath) if self.basepath else path)
        self._check(top)
        with scratch_folder("git") as folder:
            members = list(self._members(top, Path(folder)))
            warn_of_secrets(member.name for member in members)
            write_archive(output, members)
        return str(output)

    def _check(self, top: Path) -> None:
        if self.check_uncommitted_changes:
            changed = run_git(top, "diff-index", "--name-only", "-z", "HEAD", "--")
            _refuse(changed, "are not committed", "check_uncommitted_changes", top)
        if self.check_untracked_files:
            untracked = run_git(top, "ls-files", "-z", "--others", "--exclude-standard")
            _refuse(untracked, "are not tracked", "check_untracked_files", top)

    def _members(self, top: Path, folder: Path) -> Iterator[Member]:
        tree = f"{self.ref}:{self.subpath.strip('/')}"
        yield from _archived(top, tree, folder / "top", below="")
        if self.include_submodules:
            for number, (place, submodule) in enumerate(_submodules(top, "")):
                yield from _archived(submodule, "HEAD", folder / f"sub-{number}", below=place)
        patterns = as_list(self.include_pattern)
        folders = as_list(self.include_pattern_relative_path)
        options = ("include_pattern", "include_pattern_relative_path")
        for pattern, below in paired(patterns, folders, options):
            yield from pattern_members(pattern, below or top)


def _top_of(path: Path) -> Path:
    top = find_top(path)
    if top is None:
        raise PackagingError(
            "The git_archive packager sends a commit, and this folder is in no git repository.",
            where=str(path),
            hint="Use the code packager, which sends the files as they are.",
        )
    return top


def _archived(repository: Path, tree: str, folder: Path, *, below: str) -> Iterator[Member]:
    folder.mkdir()
    written = folder / "archive.tar"
    run_git(repository, "archive", "--format=tar", f"--output={written}", tree)
    with tarfile.open(written) as archive:
        yield from archive_members(archive, folder / "files", below=below)


def _submodules(top: Path, below: str) -> Iterator[tuple[str, Path]]:
    """The submodules that are checked out, and theirs, with their paths from the top."""
    for line in os.fsdecode(run_git(top, "ls-files", "-z", "--stage")).split("\0"):
        facts, _, path = line.partition("\t")
        if facts.startswith("160000 ") and (top / path / ".git").exists():
            place = f"{below}/{path}" if below else path
            yield place, top / path
            yield from _submodules(top / path, place)


def _refuse(printed: bytes, what: str, option: str, top: Path) -> None:
    names = [name for name in os.fsdecode(printed).split("\0") if name]
    if not names:
        return
    shown = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    raise PackagingError(
        f"Files of the repository {what}: {shown}.",
        where=str(top),
        hint=f"Commit them, or switch {option!r} off.",
    )
