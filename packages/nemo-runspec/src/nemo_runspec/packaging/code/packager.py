"""The code packager: the working tree as git sees it, and a launcher for one recipe in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.code.archive import Member, tree_members, write_archive
from nemo_runspec.packaging.code.globs import matcher
from nemo_runspec.packaging.code.launcher import CODE_FOLDER, import_roots, launcher_source
from nemo_runspec.packaging.code.listing import list_tree, tree_top
from nemo_runspec.packaging.code.secret_files import (
    KEPT_OUT,
    holds,
    is_private_key,
    is_secret_name,
    refuse_secrets,
)
from nemo_runspec.packaging.code.ssh.sending import SentCode, Transfer
from nemo_runspec.packaging.code.ssh.target import SshTarget
from nemo_runspec.packaging.code.tree import CodeTree, read_tree
from nemo_runspec.redaction import known_secrets, redact_values

_logger = logging.getLogger(__name__)

MAIN_FILE = "main.py"
CONFIG_FILE = "config.yaml"
LARGE_BYTES = 100 * 2**20
_MIB = 2**20
_LISTED = 3
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePackager:
    """Sends the working tree, so that everything of the workspace can be imported there.

    A git repository is not required: without one, the folder itself is the tree, and its
    ``.gitignore`` files hold all the same.

    Attributes:
        script: The recipe that ``main.py`` runs; it lies in the tree. Without one there is no
            ``main.py``.
        config: The configuration that goes beside it as ``config.yaml``.
        exclude: Patterns as in .gitignore for what stays here, tracked or not.
        packages: Folders in the tree that packages are imported from; by default those that its
            project files tell.
        warn_above_bytes: Size of the tree from which on a warning names its largest files.
    """

    script: Path | None = None
    config: Path | None = None
    exclude: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    warn_above_bytes: int = LARGE_BYTES

    def read(self, path: Path) -> CodeTree:
        """Read the working tree that a folder lies in.

        Args:
            path: A folder.

        Raises:
            PackagingError: A file holds credentials, cannot be read, or is a link that leaves the
                tree; there is nothing to send; git is not installed or fails.
        """
        is_excluded = matcher(self.exclude)
        top = tree_top(path)
        tree = read_tree(top, [item for item in list_tree(top) if not is_excluded(item)])
        if tree.size_bytes > self.warn_above_bytes:
            _warn_of_size(tree)
        return tree

    def package(self, path: Path, job_dir: str | Path, name: str) -> str:
        """Write the tree and the job's files as one archive: equal bytes for equal trees.

        Args:
            path: A folder in the working tree.
            job_dir: Where the archive is written.
            name: Its name, without ``.tar.gz``.

        Returns:
            The archive's path. Unpacked it is the folder of a job: ``main.py``, ``config.yaml``
            and the tree in ``code``.

        Raises:
            PackagingError: As :meth:`read`; or the script lies outside of the tree, or the
                archive cannot be written.
        """
        output = Path(job_dir) / f"{name}.tar.gz"
        for _ in range(_TRIES):
            tree = self.read(path)
            write_archive(output, [*self.job_members(tree), *tree_members(tree, below=CODE_FOLDER)])
            if not tree.is_stale():
                return str(output)
        output.unlink()
        raise _restless(path)

    def send(self, path: Path, target: SshTarget, *, job: str | None = None) -> SentCode:
        """Send the tree to another machine, and the job's files with it.

        A tree that is there costs one connection. Of another one only what changed is sent, and
        it is complete or absent for whoever looks; jobs that are sent at the same time do not
        see each other.

        Args:
            path: A folder in the working tree.
            target: The machine, and the folder there.
            job: Name of the job's folder; without one, the tree alone is sent.

        Raises:
            PackagingError: As :meth:`read`, or as :meth:`package`.
            TransferError: The machine cannot be reached, does not know the key or cannot take the
                code; or the job has been sent before.
        """
        transfer = Transfer(target, job)
        for _ in range(_TRIES):
            tree = self.read(path)
            sent = transfer.attempt(tree, list(self.job_members(tree)) if job else [])
            if sent is not None:
                return sent
        raise _restless(path)

    def job_members(self, tree: CodeTree) -> Iterator[Member]:
        """List the job's own files: the launcher and the configuration.

        Args:
            tree: The tree that the launcher finds the script in.

        Raises:
            PackagingError: The script lies outside of the tree, or a file cannot be read.
        """
        if self.script is not None:
            roots = self.packages or import_roots(tree)
            source = launcher_source(_place_in(tree, self.script), roots)
            yield Member(MAIN_FILE, "file", source.encode())
        if self.config is not None:
            yield Member(CONFIG_FILE, "file", _read_config(self.config))


def _restless(top: Path) -> PackagingError:
    """The error for a tree that changes faster than it can be read."""
    return PackagingError(
        f"The files changed while they were read, {_TRIES} times in a row.",
        where=str(top),
        hint="Wait until nothing writes there, or leave out what does with 'exclude'.",
    )


def _place_in(tree: CodeTree, script: Path) -> str:
    top = tree.top.resolve()
    resolved = script.absolute().parent.resolve() / script.name
    place = resolved.relative_to(top).as_posix() if resolved.is_relative_to(top) else None
    if place is None or all(entry.path != place for entry in tree.entries):
        raise PackagingError(
            f"The script is not among the files that are sent from {tree.top}.",
            where=str(script),
            hint="Start in the checkout that it belongs to, and see that it is neither ignored nor "
            "excluded; the self_contained packager takes any script.",
        )
    return str(PurePosixPath(place))


def _read_config(config: Path) -> bytes:
    try:
        content = config.read_bytes()
    except OSError as error:
        raise PackagingError(
            f"The configuration cannot be read: {error.strerror}.", where=str(config)
        ) from error
    if is_secret_name(config.name) or is_private_key(content) or _has_secret_values(content):
        refuse_secrets([config.name], config.absolute().parent, KEPT_OUT)
    return content


def _has_secret_values(content: bytes) -> bool:
    if holds(content, known_secrets()):
        return True
    try:
        values = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError):
        # Whoever reads it will say what is wrong.
        return False
    return bool(redact_values(values) != values)


def _warn_of_size(tree: CodeTree) -> None:
    largest = sorted(tree.entries, key=lambda entry: (-entry.size_bytes, entry.path))[:_LISTED]
    names = ", ".join(f"{entry.path} ({entry.size_bytes / _MIB:.1f} MiB)" for entry in largest)
    _logger.warning(
        "The code is %.1f MiB in %d files; the largest are %s. "
        "Ignore what is no code, or name it in 'exclude'.",
        tree.size_bytes / _MIB,
        len(tree.entries),
        names,
    )
