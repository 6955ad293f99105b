"""Find out once per root whether a storage honours create-only writes, and remember it there."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Protocol

from nemo_runspec.errors import StoreError

logger = logging.getLogger(__name__)

CONTROL = ".nemotron"
PROBE_PREFIX = "probe-"
CONDITIONAL_WRITE = "conditional write"

_RECORD = f"{CONTROL}/store.json"
_FORMAT_VERSION = 1


class UnsupportedRequestError(StoreError):
    """The storage does not know this kind of request."""


class _Probed(Protocol):
    def locate(self, path: str) -> str: ...
    def read(self, path: str) -> bytes | None: ...
    def create_own(self, path: str, data: bytes) -> bool: ...
    def replace(self, path: str, data: bytes) -> None: ...
    def remove(self, path: str) -> None: ...


def honours_create_only(files: _Probed) -> bool:
    """Create a file of our own twice: only a storage that refuses the second is safe.

    Raises:
        StoreError: The storage refused both.
    """
    probe = f"{CONTROL}/{PROBE_PREFIX}{uuid.uuid4().hex}"
    try:
        # No one else knows the name: a conflict at once is a repeated request meeting itself.
        refused_second = not (
            files.create_own(probe, b"first") and files.create_own(probe, b"second")
        )
    except UnsupportedRequestError as error:
        logger.debug("%s knows no create-only writes: %s", files.locate(""), error)
        return False
    _remove_probe(files, probe)
    return refused_second


def read_record(files: _Probed) -> bool | None:
    """What an earlier probe found; None where there was none.

    Raises:
        StoreError: The record is damaged or of a newer release.
    """
    content = files.read(_RECORD)
    if content is None:
        return None
    try:
        record = json.loads(content)
        version = int(record["format_version"])
        if version <= _FORMAT_VERSION:
            return bool(record["create_only"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            "The store's settings are damaged.",
            where=files.locate(_RECORD),
            hint="Delete the file while nothing writes to this root; it is made again.",
        ) from error
    raise StoreError(
        f"The store's settings have format {version}; this release knows {_FORMAT_VERSION}.",
        where=files.locate(_RECORD),
        hint="Update nemo-runspec.",
    )


def write_record(files: _Probed, *, create_only: bool) -> None:
    """Keep what a probe found for every later process."""
    record = {
        "format_version": _FORMAT_VERSION,
        "publish": CONDITIONAL_WRITE,
        "create_only": create_only,
    }
    files.replace(_RECORD, json.dumps(record).encode())


def _remove_probe(files: _Probed, probe: str) -> None:
    try:
        files.remove(probe)
    except StoreError as error:
        logger.debug("The probe stays: %s", error)
