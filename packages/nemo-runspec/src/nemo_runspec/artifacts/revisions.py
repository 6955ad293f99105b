"""The revision of raw data: what tells one state of it from the next.

| storage | revision |
|---|---|
| a local file | `sha256:…`; of a large one `mtime:…,size:…` |
| a folder, local or not | `listing-sha256:…` over the names, sizes and times (or ETags) below it |
| `s3://`, `gs://`, `http(s)://` and others | `etag:…`, else `mtime:…,size:…` |
| `hf://` | `commit:…`, where huggingface_hub is installed |

Looking one up takes a bounded time and raises nothing: what has no revision is recorded without.
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.metadata_file import METADATA_FILE
from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.redaction import redact_text

logger = logging.getLogger(__name__)

_HASHED_BYTES = 64 << 20
_LISTED_FILES = 100_000
_TIMEOUT_S = 10.0
_THREADS = 8
_HUB = "hf://"
_TAGS = ("ETag", "etag", "Content-MD5", "md5Hash")
_TIMES = ("LastModified", "last_modified", "Last-Modified", "updated", "mtime", "modified")


def revision_of(uri: str, *, timeout_s: float = _TIMEOUT_S) -> str | None:
    """Look up the revision of a path or URI; None where there is none or no time for it.

    Args:
        uri: A local path or a URI.
        timeout_s: How long to wait for the storage.
    """
    return revisions_of([uri], timeout_s=timeout_s).get(uri)


def revisions_of(uris: Iterable[str], *, timeout_s: float = _TIMEOUT_S) -> dict[str, str]:
    """Look up several revisions at a time.

    Args:
        uris: Local paths and URIs.
        timeout_s: How long to wait for all of them together.

    Returns:
        The revision of each that has one.
    """
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()
    wanted = list(dict.fromkeys(uris))
    for uri in wanted:
        asked.put(uri)
    found: dict[str, str] = {}
    deadline = time.monotonic() + timeout_s
    # Daemons: a storage that never answers must not keep the process from ending.
    threads = [
        threading.Thread(target=_answer, args=(asked, found), daemon=True)
        for _ in range(min(_THREADS, len(wanted)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        logger.warning("The storage of raw inputs did not answer in %g s.", timeout_s)
    return {uri: found[uri] for uri in wanted if uri in found}


def _answer(asked: queue.SimpleQueue[str], found: dict[str, str]) -> None:
    while True:
        try:
            uri = asked.get_nowait()
        except queue.Empty:
            return
        try:
            revision = _look_up(uri)
        # Storages raise what they like, and a record must not fail for it. No traceback is logged:
        # theirs hold the URL with its secrets.
        except Exception as error:  # noqa: BLE001
            reason = redact_text(f"{type(error).__name__}: {error}")
            logger.debug("%s has no revision: %s", redact_text(uri), reason)
            continue
        if revision is not None:
            found[uri] = revision


def _look_up(uri: str) -> str | None:
    local = local_path(uri)
    if local is not None:
        return _local_revision(local.expanduser())
    if uri.startswith(_HUB):
        return _hub_commit(uri)
    return _remote_revision(uri)


def _local_revision(path: Path) -> str | None:
    if path.is_dir():
        return _listing_digest(_local_listing(path))
    status = path.stat()
    if status.st_size > _HASHED_BYTES:
        return f"mtime:{status.st_mtime_ns},size:{status.st_size}"
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _local_listing(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            file = Path(parent, name)
            if file != folder / METADATA_FILE:
                status = file.lstat()
                yield f"{file.relative_to(folder)}\0{status.st_size}\0{status.st_mtime_ns}"


def _remote_revision(uri: str) -> str | None:
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(uri)
    info = filesystem.info(path)
    if info.get("type") != "directory":
        return _stamp(info)
    below = filesystem.find(path, detail=True)
    start = len(str(info.get("name", path)).rstrip("/")) + 1
    return _listing_digest(f"{name[start:]}\0{_stamp(entry)}" for name, entry in below.items())


def _stamp(info: Mapping[str, Any]) -> str | None:
    tag = next((info[key] for key in _TAGS if info.get(key)), None)
    if tag is not None:
        return "etag:" + str(tag).removeprefix("W/").strip('"')
    moment = next((info[key] for key in _TIMES if info.get(key)), None)
    return None if moment is None else f"mtime:{moment},size:{info.get('size')}"


def _listing_digest(lines: Iterable[str]) -> str | None:
    listed: list[str] = []
    for line in lines:
        if len(listed) == _LISTED_FILES:
            logger.debug("A folder of more than %d files has no revision.", _LISTED_FILES)
            return None
        listed.append(line)
    text = "\n".join(sorted(listed)).encode(errors="surrogateescape")
    return f"listing-sha256:{hashlib.sha256(text).hexdigest()}"


def _hub_commit(uri: str) -> str | None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    from nemo_runspec.manifest_tracker.files.hub_address import parse_hub_root

    address = parse_hub_root(uri)
    hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    # The documents write hf://OWNER/NAME for a dataset too; the Hub's own spelling has datasets/.
    for kind in dict.fromkeys((address.kind, "dataset")):
        try:
            known = hub.repo_info(address.repo, repo_type=kind, revision=address.revision)
        except RepositoryNotFoundError as error:
            logger.debug("There is no %s %s: %s", kind, address.repo, error)
            continue
        return f"commit:{known.sha}" if known.sha else None
    return None
