"""A throw-away copy of what the manifests of a store say, in the user's cache folder.

Manifests do not change, so what was read once need not be read again. Nothing depends on the
copy: without it, or with a damaged one, everything is read from the store.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from nemo_runspec.atomic import write_atomically
from nemo_runspec.lineage.records import VersionRecord

logger = logging.getLogger(__name__)

Versions: TypeAlias = dict[int, VersionRecord]

_FORMAT = "nemotron lineage 1"
_VARIABLE = "NEMOTRON_CACHE_DIR"


def cache_folder(environ: Mapping[str, str] | None = None) -> Path | None:
    """Where copies are kept: ``NEMOTRON_CACHE_DIR``, else ``nemotron`` in the user's cache folder.

    Args:
        environ: The environment to read; by default the process's own.

    Returns:
        None where there is no home folder.
    """
    variables = os.environ if environ is None else environ
    own = variables.get(_VARIABLE)
    if own:
        return Path(own)
    shared = variables.get("XDG_CACHE_HOME")
    if shared and Path(shared).is_absolute():
        return Path(shared) / "nemotron"
    try:
        return Path.home() / ".cache" / "nemotron"
    except RuntimeError:
        return None


class StoreCopy:
    """The copy of one store.

    Args:
        root: The store's root.
        folder: The cache folder; None to keep nothing.
    """

    def __init__(self, root: str, folder: Path | None) -> None:
        self._root = root.encode(errors="surrogatepass")
        key = hashlib.sha256(self._root).hexdigest()[:32]
        self._file = None if folder is None else folder / "lineage" / f"{key}.json"

    def load(self) -> dict[str, Versions]:
        """The versions that are known, by name and number; nothing without a usable copy."""
        if self._file is None:
            return {}
        try:
            seal, _, body = self._file.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return {}
        except OSError as error:
            logger.debug("The copy %s cannot be read: %s", self._file, error)
            return {}
        if seal != self._seal(body):
            logger.debug("The copy %s is damaged or of another release", self._file)
            return {}
        return {name: _versions(rows) for name, rows in json.loads(body).items()}

    def save(self, names: Mapping[str, Versions]) -> None:
        """Replace the copy; where that is not possible, the next run reads the store again."""
        if self._file is None:
            return
        rows = {name: [one.values() for one in found.values()] for name, found in names.items()}
        body = json.dumps(rows, separators=(",", ":")).encode()
        try:
            write_atomically(self._file, self._seal(body) + b"\n" + body)
        except OSError as error:
            logger.debug("No copy is kept in %s: %s", self._file, error)

    def _seal(self, body: bytes) -> bytes:
        digest = hashlib.sha256(self._root + b"\n" + body).hexdigest()
        return f"{_FORMAT} sha256:{digest}".encode()


def _versions(rows: list[list[Any]]) -> Versions:
    return {record.version: record for record in map(VersionRecord.from_values, rows)}
