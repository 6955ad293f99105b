"""Versions of a name: claimed by creating their manifest, found without listing.

A writer starts after the ``latest`` hint and creates the next manifest. On a conflict it looks
forward from there (galloping, then bisecting) and tries again after a random pause. No lock, no
listing: the cost does not depend on how many versions there are.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable

from nemo_runspec.errors import StoreError
from nemo_runspec.manifest_tracker.files import StoreFiles

logger = logging.getLogger(__name__)

_HINT = re.compile(rb"v(\d{1,18})")
_MAX_ATTEMPTS = 400
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.25
_PAUSE_STEPS = 1000


def manifest_path(name: str, version: int) -> str:
    """Where a version's manifest lies below the root."""
    return f"{name}/v{version}/manifest.json"


def metadata_path(name: str, version: int) -> str:
    """Where a version's flat dump lies below the root."""
    return f"{name}/v{version}/metadata.json"


def claim_version(
    files: StoreFiles,
    name: str,
    write: Callable[[int], bytes],
    is_own: Callable[[bytes], bool],
) -> int:
    """Publish a manifest under the next free version.

    Args:
        files: The store.
        name: A valid artifact name.
        write: Makes the manifest for a version.
        is_own: Knows a manifest that this claim wrote: the reply to a successful claim can be
            lost, and the retry then meets its own work.

    Returns:
        The version claimed.

    Raises:
        StoreError: The storage failed, or others took every version that was tried.
    """
    candidate = _verified_hint(files, name) + 1
    for attempt in range(_MAX_ATTEMPTS):
        if files.create(manifest_path(name, candidate), write(candidate)):
            break
        found = files.read(manifest_path(name, candidate))
        if found is not None and is_own(found):
            break
        time.sleep(_pause_s(attempt))
        candidate = last_version(files, name, at_least=candidate) + 1
    else:
        raise StoreError(
            f"No version of {name!r} could be claimed in {_MAX_ATTEMPTS} attempts.",
            where=files.root,
            hint="Is something else creating versions of this name in a loop?",
        )
    _advance_hint(files, name, candidate)
    return candidate


def last_version(files: StoreFiles, name: str, *, at_least: int = 0) -> int:
    """The last version of a name that exists; 0 where there is none.

    Args:
        files: The store.
        name: A valid artifact name.
        at_least: A version that is known to exist.
    """
    return _gallop(files, name, max(at_least, _verified_hint(files, name)))


def _gallop(files: StoreFiles, name: str, known: int) -> int:
    step = 1
    while files.exists(manifest_path(name, known + step)):
        known += step
        step *= 2
    missing = known + step
    while missing - known > 1:
        middle = (known + missing) // 2
        if files.exists(manifest_path(name, middle)):
            known = middle
        else:
            missing = middle
    return known


def _verified_hint(files: StoreFiles, name: str) -> int:
    hint = _hint(files, name)
    if hint == 0 or files.exists(manifest_path(name, hint)):
        return hint
    return _gallop(files, name, 0)


def _hint(files: StoreFiles, name: str) -> int:
    text = files.read(f"{name}/latest")
    match = _HINT.fullmatch(text.strip()) if text else None
    return int(match.group(1)) if match else 0


def _advance_hint(files: StoreFiles, name: str, version: int) -> None:
    try:
        hint = _hint(files, name)
        if hint < version or not files.exists(manifest_path(name, hint)):
            files.replace(f"{name}/latest", f"v{version}".encode())
    except StoreError as error:
        logger.warning("%s:v%d is recorded, but its hint is not: %s", name, version, error)


def _pause_s(attempt: int) -> float:
    # Not from the random module: its state is the training's, which seeds it alike on all ranks.
    longest: float = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(attempt, 10))
    return longest * secrets.randbelow(_PAUSE_STEPS) / _PAUSE_STEPS
