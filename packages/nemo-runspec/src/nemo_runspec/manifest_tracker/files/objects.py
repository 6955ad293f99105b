"""Manifests on object stores: one request per file, create-only writes as the commit point.

Clients are private to the store and to the process, cache nothing, and make every request once.
Repeating is decided here, alike for all stores: reads and plain writes may be made twice; a
create-only write may not, since its lost reply would come back as a conflict with itself.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from nemo_runspec.errors import StoreError, UnknownOutcomeError
from nemo_runspec.manifest_tracker.files.base import StoreReport, publish_in_order
from nemo_runspec.manifest_tracker.files.probe import (
    CONDITIONAL_WRITE,
    CONTROL,
    PROBE_PREFIX,
    UnsupportedRequestError,
    honours_create_only,
    read_record,
    write_record,
)
from nemo_runspec.manifest_tracker.files.service import (
    ObjectService,
    Outcome,
    Page,
    Patience,
    Trouble,
)

T = TypeVar("T")

PATIENCE = Patience()

_PASSING = frozenset({Outcome.BUSY, Outcome.UNKNOWN})
_JITTER_STEPS = 1000
_KINDS: Mapping[Outcome, type[StoreError]] = {
    Outcome.UNKNOWN: UnknownOutcomeError,
    Outcome.UNSUPPORTED: UnsupportedRequestError,
}


class _RequestError(Exception):
    """A request failed for good."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.what)
        self.trouble = trouble


class ObjectFiles:
    """File operations below a bucket or a prefix in it.

    Args:
        root: The URL, such as ``s3://bucket/prefix``.
        service: The kind of store.
    """

    def __init__(self, root: str, service: ObjectService) -> None:
        self._root = _checked_root(root)
        self._service = service
        self._patience = PATIENCE
        self._filesystems: dict[int, Any] = {}
        self._create_only: bool | None = None
        self._bucket_seen = False

    @property
    def root(self) -> str:
        """The root's URL."""
        return self._root

    def locate(self, path: str) -> str:
        """The URL of a file."""
        return f"{self._root}/{path}" if path else self._root

    def read(self, path: str) -> bytes | None:
        """The file's content, or None where it does not exist."""
        try:
            return self._request(lambda fs: self._service.read(fs, self._full(path)))
        except _RequestError as failure:
            if failure.trouble.outcome is Outcome.ABSENT:
                return None
            raise self._explained(failure, path) from failure.__cause__

    def exists(self, path: str) -> bool:
        """Whether the file exists. Reading a small one costs the same as asking."""
        return self.read(path) is not None

    def presumes(self, path: str) -> bool:  # noqa: ARG002
        """Take the hint's word: every look costs a request."""
        return True

    def publish(self, path: str, data: bytes, companions: Mapping[str, bytes]) -> bool:
        """Publish a whole file, durably, unless it exists; then put others in place."""
        return publish_in_order(self, path, data, companions)

    def create(self, path: str, data: bytes) -> bool:
        """Publish a whole file, durably, unless it exists.

        Raises:
            StoreError: The store refused, or ignores create-only writes.
            UnknownOutcomeError: The reply was lost.
        """
        if not self.is_create_only():
            raise StoreError(
                "This storage accepts no create-only writes, or takes a second one for the first: "
                "two writers would get the same version, and one would be lost.",
                where=self._root,
                hint="Use another storage, or, where nothing else ever writes to this root at "
                "the same time, set artifacts.manifest.single_writer=true.",
            )
        return self._create(path, data, passing=frozenset({Outcome.BUSY}))

    def create_own(self, path: str, data: bytes) -> bool:
        """Ask the store to write a file unless it exists, whether it heeds that or not.

        Args:
            path: A file that no one else knows of: a request repeated after a lost reply may
                be refused because of itself.
            data: Its content.

        Raises:
            UnsupportedRequestError: The store does not know conditions.
            StoreError: The store refused.
        """
        return self._create(path, data, passing=_PASSING)

    def is_create_only(self) -> bool:
        """Whether the store refuses a second create: as its record says, else by trying.

        Raises:
            StoreError: The store refused to tell.
        """
        try:
            return self._knows_create_only()
        except UnknownOutcomeError as error:
            # What is unknown is whether a probe or the record was written, not a version.
            raise StoreError(error.what, where=error.where, hint=error.hint) from error

    def _create(self, path: str, data: bytes, *, passing: frozenset[Outcome]) -> bool:
        try:
            self._request(
                lambda fs: fs.pipe_file(self._full(path), data, mode="create"), passing=passing
            )
        except _RequestError as failure:
            if failure.trouble.outcome is Outcome.TAKEN:
                return False
            raise self._explained(failure, path) from failure.__cause__
        return True

    def _knows_create_only(self) -> bool:
        if self._create_only is None:
            recorded = read_record(self)
            if recorded is None:
                recorded = honours_create_only(self)
                write_record(self, create_only=recorded)
            self._create_only = recorded
        return self._create_only

    def replace(self, path: str, data: bytes) -> None:
        """Put a whole file in place of whatever is there."""
        try:
            self._request(lambda fs: fs.pipe_file(self._full(path), data))
        except _RequestError as failure:
            raise self._explained(failure, path) from failure.__cause__

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""
        try:
            self._request(lambda fs: fs.rm_file(self._full(path)))
        except _RequestError as failure:
            if failure.trouble.outcome is not Outcome.ABSENT:
                raise self._explained(failure, path) from failure.__cause__

    def folders(self, path: str) -> list[str]:
        """The names of the folders below a path."""
        return self._below(path, lambda page: page.folders)

    def names(self, path: str) -> list[str]:
        """The names of the files in a folder."""
        return self._below(path, lambda page: page.objects)

    def examine(self) -> StoreReport:
        """Try out whether a second create is refused, record it, and look for leftovers."""
        create_only = honours_create_only(self)
        if read_record(self) is not create_only:
            write_record(self, create_only=create_only)
        self._create_only = create_only
        leftovers = [
            self.locate(f"{CONTROL}/{name}")
            for page in self._pages(CONTROL)
            for name in _last_parts(page.objects)
            if name.startswith(PROBE_PREFIX)
        ]
        return StoreReport(CONDITIONAL_WRITE, create_only=create_only, leftovers=sorted(leftovers))

    def _below(self, path: str, keys: Callable[[Page], list[str]]) -> list[str]:
        names = [name for page in self._pages(path) for name in _last_parts(keys(page))]
        return [name for name in names if name and not name.startswith(".")]

    def _pages(self, path: str) -> Iterator[Page]:
        following: str | None = None
        while True:
            page = self._page(path, following)
            yield page
            following = page.following
            if following is None:
                return

    def _page(self, path: str, following: str | None) -> Page:
        def ask(fs: Any) -> Page:
            bucket, key = self._service.split(fs, self._full(path))
            prefix = f"{key}/" if key else ""
            page = self._service.page(fs, bucket, prefix, following)
            # Some tools mark a folder by an object whose key is the prefix itself.
            return Page(page.folders, [k for k in page.objects if k != prefix], page.following)

        try:
            return self._request(ask)
        except _RequestError as failure:
            raise self._explained(failure, path) from failure.__cause__

    def _request(self, request: Callable[[Any], T], *, passing: frozenset[Outcome] = _PASSING) -> T:
        attempt = 0
        while True:
            try:
                reply = request(self._filesystem())
            except self._service.errors as error:
                trouble = self._service.diagnose(error)
                attempt += 1
                if trouble.outcome not in passing or attempt >= self._patience.attempts:
                    raise _RequestError(self._with_bucket(trouble)) from error
                self._pause(attempt)
            else:
                self._bucket_seen = True
                return reply

    def _with_bucket(self, trouble: Trouble) -> Trouble:
        if trouble.outcome is Outcome.ABSENT and not self._bucket_seen:
            filesystem = self._filesystem()
            bucket, _ = self._service.split(filesystem, self._full(""))
            self._bucket_seen = not self._service.lacks_bucket(filesystem, bucket)
            return trouble if self._bucket_seen else _missing(bucket)
        if trouble.outcome is Outcome.NO_BUCKET:
            return _missing(self._full("").partition("/")[0])
        return trouble

    def _pause(self, attempt: int) -> None:
        longest = self._patience.pause_s * 2 ** (attempt - 1)
        time.sleep(longest * (1 + secrets.randbelow(_JITTER_STEPS) / _JITTER_STEPS) / 2)

    def _filesystem(self) -> Any:
        # A client does not survive a fork. The parent's stays referenced in the child: closing
        # it there would take the parent's connections out of the event queue that both share.
        process = os.getpid()
        filesystem = self._filesystems.get(process)
        if filesystem is None:
            opened = self._service.connect(self._patience)
            filesystem = self._filesystems.setdefault(process, opened)
        return filesystem

    def _full(self, path: str) -> str:
        return self.locate(path).partition("://")[2]

    def _explained(self, failure: _RequestError, path: str) -> StoreError:
        trouble = failure.trouble
        kind = _KINDS.get(trouble.outcome, StoreError)
        return kind(trouble.what, where=self.locate(path), hint=trouble.hint)


def _missing(bucket: str) -> Trouble:
    return Trouble(
        Outcome.NO_BUCKET,
        f"The bucket {bucket!r} does not exist.",
        "Create it, or correct artifacts.manifest.root.",
    )


def _last_parts(keys: list[str]) -> list[str]:
    return [key.rstrip("/").rpartition("/")[2] for key in keys]


def _checked_root(root: str) -> str:
    scheme, _, path = root.partition("://")
    bucket = path.partition("/")[0]
    if not bucket:
        raise StoreError(
            "The artifact root names no bucket.", where=root, hint=f"Write {scheme}://BUCKET/PATH."
        )
    if "//" in path.rstrip("/"):
        raise StoreError(
            "The artifact root has an empty part, which listings of some stores pass over.",
            where=root,
            hint="Write each slash once.",
        )
    if "@" in bucket:
        raise StoreError(
            "The artifact root holds credentials.",
            where="artifacts.manifest.root",
            hint="Leave them to the environment or the storage's own configuration files.",
        )
    return f"{scheme}://{path.rstrip('/')}"
