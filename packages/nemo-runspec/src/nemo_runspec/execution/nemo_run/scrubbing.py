"""Take secrets out of what NeMo-Run saves, so that it can still be asked about the job."""

from __future__ import annotations

import base64
import binascii
import json
import re
import shlex
import zlib
from collections.abc import Iterable
from pathlib import Path

from nemo_runspec.atomic import write_atomically
from nemo_runspec.url_secrets import REDACTED

_PACKED = re.compile(rb"[A-Za-z0-9_-]{40,}={0,2}")
_SHORTEST = 4


def scrub(home: Path, secrets: Iterable[str]) -> tuple[Path, ...]:
    """Mask secrets in every file, as they are, quoted, or in NeMo-Run's compressed JSON.

    Args:
        home: NeMo-Run's folder.
        secrets: The values; shorter ones than a secret can be are left out.

    Returns:
        The files that were changed.
    """
    wanted = {spelled for value in secrets if len(value) >= _SHORTEST for spelled in _forms(value)}
    longest_first = sorted(wanted, key=len, reverse=True)
    changed = []
    for file in sorted(home.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        content = file.read_bytes()
        masked = _masked(content, longest_first)
        if masked != content:
            write_atomically(file, masked)
            changed.append(file)
    return tuple(changed)


def _forms(value: str) -> set[bytes]:
    escaped = (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    return {form.encode() for form in (value, *escaped, shlex.quote(value))}


def _masked(content: bytes, wanted: Iterable[bytes]) -> bytes:
    masked = _without(content, wanted)
    return _PACKED.sub(lambda match: _repacked(match.group(), wanted), masked)


def _repacked(packed: bytes, wanted: Iterable[bytes]) -> bytes:
    try:
        content = zlib.decompress(base64.urlsafe_b64decode(packed))
    except (zlib.error, binascii.Error):
        return packed
    masked = _without(content, wanted)
    if masked == content:
        return packed
    return base64.urlsafe_b64encode(zlib.compress(masked))


def _without(content: bytes, wanted: Iterable[bytes]) -> bytes:
    for secret in wanted:
        content = content.replace(secret, REDACTED.encode())
    return content
