"""Take secrets out of what NeMo-Run saves: its files on a job are given up, not rewritten."""

from __future__ import annotations

import base64
import binascii
import json
import re
import shlex
import zlib
from collections.abc import Iterable
from pathlib import Path

_PACKED = re.compile(rb"[A-Za-z0-9_-]{40,}={0,2}")
_SHORTEST = 4


def scrub(home: Path, secrets: Iterable[str]) -> tuple[Path, ...]:
    """Remove every file that holds a secret, as it is, quoted, or in NeMo-Run's compressed JSON.

    Args:
        home: NeMo-Run's folder.
        secrets: The values; shorter ones than a secret can be are left out.

    Returns:
        The files that were removed.
    """
    wanted = {spelled for value in secrets if len(value) >= _SHORTEST for spelled in _forms(value)}
    files = [file for file in sorted(home.rglob("*")) if file.is_file() and not file.is_symlink()]
    removed = tuple(file for file in files if wanted and _holds(file.read_bytes(), wanted))
    for file in removed:
        file.unlink()
    return removed


def _forms(value: str) -> set[bytes]:
    escaped = (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    return {form.encode() for form in (value, *escaped, shlex.quote(value))}


def _holds(content: bytes, wanted: set[bytes]) -> bool:
    texts = (content, *_unpacked(content))
    return any(secret in text for text in texts for secret in wanted)


def _unpacked(content: bytes) -> Iterable[bytes]:
    for match in _PACKED.findall(content):
        try:
            yield zlib.decompress(base64.urlsafe_b64decode(match))
        except (zlib.error, binascii.Error):
            continue
