"""Manifests on local disks and shared filesystems (NFS, Lustre).

A file is published by hard-linking a fsynced temporary file to its name: the link appears whole
and fails where the name is taken. Where links are not supported, a staged folder that holds the
file is renamed instead. The choice is made once per root and recorded there, because two writers
that publish in different ways could both win.

Temporary files live in ``{root}/.nemotron/staging`` under names that tell host, process and a
random id; those of writers that died are removed when they are a day old.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import shutil
import socket
import stat
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from nemo_runspec.errors import StoreError
from nemo_runspec.manifest_tracker.files.base import StoreReport, publish_in_order

logger = logging.getLogger(__name__)

PublishMode = Literal["link", "rename"]

_CONTROL = ".nemotron"
_SETTINGS = "store.json"
_FOLDER_ACCESS = 0o2777
_FILE_ACCESS = 0o044
_OWN_FILE = 0o600
_LEFTOVER_AGE_S = 24 * 3600
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY})


class LocalFiles:
    """File operations below a local folder.

    Args:
        root: The absolute root; it is created by the first write.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mode: PublishMode | None = None

    @property
    def root(self) -> str:
        """The absolute root."""
        return str(self._root)

    def locate(self, path: str) -> str:
        """The absolute path of a file."""
        return str(self._root / path)

    def read(self, path: str) -> bytes | None:
        """The file's content, or None where it does not exist."""
        with self._explained("read", path):
            try:
                return (self._root / path).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                self._refuse_file_as_root()
                return None

    def exists(self, path: str) -> bool:
        """Whether the file exists."""
        with self._explained("read", path):
            try:
                (self._root / path).stat()
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def presumes(self, path: str) -> bool:
        """Whether the file exists: looking costs nothing here."""
        return self.exists(path)

    def publish(self, path: str, data: bytes, companions: Mapping[str, bytes]) -> bool:
        """Publish a whole file, durably, unless it exists; then put others in place."""
        return publish_in_order(self, path, data, companions)

    def create(self, path: str, data: bytes) -> bool:
        """Publish a whole file, durably, unless it exists."""
        with self._explained("write", path):
            mode = self._publish_mode()
            target = self._root / path
            if mode == "link":
                return self._link(target, data)
            return self._rename(target, data)

    def replace(self, path: str, data: bytes) -> None:
        """Put a whole file in place of whatever is there."""
        with self._explained("write", path), self._staged(data) as staged:
            target = self._root / path
            self._make_folders(target.parent.parent, target.parent)
            staged.replace(target)

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""
        with self._explained("write", path):
            (self._root / path).unlink(missing_ok=True)

    def examine(self) -> StoreReport:
        """Try out how a version is published here, and look for leftovers."""
        with self._explained("write", _CONTROL):
            mode = self._publish_mode()
            staging = self._root / _CONTROL / "staging"
            leftovers = sorted(str(entry) for entry in staging.iterdir())
        return StoreReport(mode, create_only=self._refuses_second(), leftovers=leftovers)

    def _refuses_second(self) -> bool:
        probe = f"{_CONTROL}/probe-{uuid.uuid4().hex}/manifest.json"
        try:
            return self.create(probe, b"first") and not self.create(probe, b"second")
        finally:
            shutil.rmtree((self._root / probe).parent, ignore_errors=True)

    def folders(self, path: str) -> list[str]:
        """The names of the folders below a path."""
        with self._explained("list", path):
            return [entry.name for entry in self._entries(path) if _holds(entry.is_dir)]

    def names(self, path: str) -> list[str]:
        """The names of the files in a folder."""
        with self._explained("list", path):
            return [entry.name for entry in self._entries(path) if _holds(entry.is_file)]

    def _entries(self, path: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._root / path) as entries:
                return [entry for entry in entries if not entry.name.startswith(".")]
        except FileNotFoundError:
            return []

    def _link(self, target: Path, data: bytes) -> bool:
        with self._staged(data) as staged:
            self._make_folders(target.parent.parent, target.parent)
            try:
                os.link(staged, target)
            except FileExistsError:
                return False
        self._sync_folders(target)
        return True

    def _rename(self, target: Path, data: bytes) -> bool:
        staging = self._new_staging_path()
        self._make_folders(staging)
        try:
            self._write_synced(staging / target.name, data)
            self._make_folders(target.parent.parent)
            staging.rename(target.parent)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        self._sync_folders(target)
        return True

    @contextlib.contextmanager
    def _staged(self, data: bytes) -> Iterator[Path]:
        self._publish_mode()
        staged = self._new_staging_path()
        try:
            self._write_synced(staged, data)
            yield staged
        finally:
            staged.unlink(missing_ok=True)

    def _new_staging_path(self) -> Path:
        unique = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"
        return self._root / _CONTROL / "staging" / unique

    def _publish_mode(self) -> PublishMode:
        if self._mode is None:
            mode = self._recorded_mode() or self._choose_mode()
            self._remove_leftovers()
            # Last: another thread that sees the mode relies on the staging folder being there.
            self._mode = mode
        return self._mode

    def _recorded_mode(self) -> PublishMode | None:
        settings = self._root / _CONTROL / _SETTINGS
        try:
            recorded = json.loads(settings.read_bytes())["publish"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(
                "The store's settings are damaged.",
                where=str(settings),
                hint="Delete the file while nothing writes to this root; it is made again.",
            ) from error
        return "rename" if recorded == "rename" else "link"

    def _choose_mode(self) -> PublishMode:
        control = self._root / _CONTROL
        self._root.mkdir(parents=True, exist_ok=True)
        self._make_folders(control, control / "staging")
        mode: PublishMode = "link" if self._links_work() else "rename"
        staged = self._new_staging_path()
        try:
            self._write_synced(staged, json.dumps({"format_version": 1, "publish": mode}).encode())
            staged.replace(control / _SETTINGS)
        finally:
            staged.unlink(missing_ok=True)
        return mode

    def _links_work(self) -> bool:
        source, target = self._new_staging_path(), self._new_staging_path()
        try:
            self._write_synced(source, b"probe")
            os.link(source, target)
        except OSError as error:
            if error.errno in _NO_LINKS:
                return False
            raise
        finally:
            source.unlink(missing_ok=True)
            target.unlink(missing_ok=True)
        return True

    def _remove_leftovers(self) -> None:
        oldest = time.time() - _LEFTOVER_AGE_S
        staging = self._root / _CONTROL / "staging"
        self._make_folders(staging.parent, staging)
        for leftover in staging.iterdir():
            try:
                if leftover.stat().st_mtime < oldest:
                    _remove(leftover)
            except OSError as error:
                logger.debug("The leftover %s stays: %s", leftover, error)

    def _make_folders(self, *folders: Path) -> None:
        for folder in folders:
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                _grant(folder, self._access() & _FOLDER_ACCESS)

    def _write_synced(self, path: Path, data: bytes) -> None:
        with path.open("xb") as stream:
            _grant(stream.fileno(), _OWN_FILE | (self._access() & _FILE_ACCESS))
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())

    def _access(self) -> int:
        return self._root.stat().st_mode

    def _sync_folders(self, target: Path) -> None:
        for folder in (target.parent, target.parent.parent, self._root):
            _sync_folder(folder)

    def _refuse_file_as_root(self) -> None:
        if self._root.exists() and not self._root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory", str(self._root))

    @contextlib.contextmanager
    def _explained(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"Cannot {action} the artifact store: {error.strerror or error}.",
                where=self.locate(path),
                hint=_cure(error),
            ) from error


def _holds(is_of_kind: Callable[[], bool]) -> bool:
    """Whether an entry is of a kind; a link that leads in a circle is of none."""
    try:
        return is_of_kind()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False


def _cure(error: OSError) -> str:
    cures = {
        errno.ENOSPC: "Free some space, or choose another artifacts.manifest.root.",
        errno.EDQUOT: "Raise the quota, or choose another artifacts.manifest.root.",
        errno.ENOTDIR: "Choose a folder as artifacts.manifest.root.",
        errno.EEXIST: "Choose a folder as artifacts.manifest.root.",
    }
    default = "Check that you may write there, or choose another artifacts.manifest.root."
    return cures.get(error.errno or 0, default)


def _grant(target: Path | int, access: int) -> None:
    """Open what was made to those whom the root is open to, whatever the writer's umask."""
    if stat.S_IMODE(os.stat(target).st_mode) == access:  # noqa: PTH116 - a descriptor too
        return
    try:
        os.chmod(target, access)  # noqa: PTH101 - a descriptor too
    except OSError as error:
        logger.debug("The access to %s stays as it is: %s", target, error)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
        logger.debug("The filesystem of %s cannot sync folders.", folder)
    finally:
        os.close(descriptor)


def _remove(leftover: Path) -> None:
    if leftover.is_dir():
        shutil.rmtree(leftover, ignore_errors=True)
        return
    leftover.unlink(missing_ok=True)
