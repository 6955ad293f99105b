"""Versions of a name: claimed by creating their manifest, found without listing.

A writer starts after the ``latest`` hint and creates the next manifest. On a conflict it pauses
for a random moment, looks forward (hint, gallop, bisect) and tries again. No lock, and no listing
while the hint is there: the cost does not depend on how many versions there are.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nemo_runspec.errors import StoreError, UnknownOutcomeError
from nemo_runspec.manifest_tracker.files import StoreFiles
from nemo_runspec.manifest_tracker.files.base import replace_all

logger = logging.getLogger(__name__)

_HINT = re.compile(rb"v([0-9]{1,18})")
_FOLDER = re.compile(r"v([1-9][0-9]{0,17}|0)")
_MAX_ATTEMPTS = 400
_MAX_DOUBTS = 5
_LONGEST_DOUBT_S = 90.0
_SHORTEST_PAUSE_S = 0.002
_LOST_REPLY_PAUSE_S = 0.025
_LONGEST_PAUSE_S = 5.0
_LONGEST_UNIT_S = 0.2
_PAUSE_STEPS = 1000
# A try looks for the last version, claims the next and says so: with less room than that at once,
# 16 writers that start together keep meeting.
_NARROWEST = 3
_WIDEST = 7


def manifest_path(name: str, version: int) -> str:
    """Where a version's manifest lies below the root."""
    return f"{name}/v{version}/manifest.json"


def metadata_path(name: str, version: int) -> str:
    """Where a version's flat dump lies below the root."""
    return f"{name}/v{version}/metadata.json"


def tombstone_path(name: str, version: int) -> str:
    """Where the notice of a version's withdrawal lies below the root."""
    return f"{name}/v{version}/withdrawn.json"


def hint_path(name: str) -> str:
    """Where the hint at a name's last version lies below the root."""
    return f"{name}/latest"


def alias_path(name: str, alias: str) -> str:
    """Where an alias of a name lies below the root."""
    return f"{name}/aliases/{alias}"


def version_text(version: int) -> bytes:
    """What a hint or alias file holds."""
    return f"v{version}".encode()


def parse_version_text(text: bytes | None) -> int:
    """Read a hint or alias file; 0 where it is missing or no version."""
    match = _HINT.fullmatch(text.strip()) if text else None
    return int(match.group(1)) if match else 0


@dataclass(frozen=True)
class Draft:
    """A manifest that is complete but for its version.

    Attributes:
        manifest: Makes the manifest's bytes for a version.
        metadata: Makes the flat dump's bytes for a version.
        claim_id: The random id by which this writer knows its own manifest again.
    """

    manifest: Callable[[int], bytes]
    metadata: Callable[[int], bytes]
    claim_id: str

    def companions(self, name: str, version: int) -> dict[str, bytes]:
        """What is written beside the manifest, by path."""
        return {
            metadata_path(name, version): self.metadata(version),
            hint_path(name): version_text(version),
        }


def claim_version(files: StoreFiles, name: str, draft: Draft) -> int:
    """Publish a manifest under the next free version.

    Args:
        files: The store.
        name: A valid artifact name.
        draft: The manifest.

    Returns:
        The version claimed.

    Raises:
        StoreError: The storage failed, or others took every version that was tried.
    """
    candidate = _presumed_last(files, name) + 1
    for attempt in range(_MAX_ATTEMPTS):
        started = time.monotonic()
        if _claim(files, name, candidate, draft):
            return candidate
        _pause(attempt, time.monotonic() - started)
        candidate = last_version(files, name, at_least=candidate) + 1
    raise StoreError(
        f"No version of {name!r} could be claimed in {_MAX_ATTEMPTS} attempts.",
        where=files.root,
        hint="Is something else creating versions of this name in a loop?",
    )


def _claim(files: StoreFiles, name: str, candidate: int, draft: Draft) -> bool:
    """Try one version; a manifest of our own that is already there is a success.

    The reply to a successful claim can be lost. Where the storage's client then tries again by
    itself, it meets its own work as a conflict; where it gives up, the outcome is unknown. From
    then on no failure is final: the same number is tried until the storage tells what is there.
    """
    path = manifest_path(name, candidate)
    companions = draft.companions(name, candidate)
    in_doubt: StoreError | None = None
    deadline = time.monotonic() + _LONGEST_DOUBT_S
    for attempt in range(_MAX_DOUBTS):
        try:
            found = _look(files, path) if in_doubt else None
            if found is None:
                if files.publish(path, draft.manifest(candidate), companions):
                    return True
                found = _look(files, path)
        except StoreError as error:
            if in_doubt is None and not isinstance(error, UnknownOutcomeError):
                raise
            logger.warning("It is not known whether %s was written: %s", path, error)
            in_doubt = error
            if time.monotonic() > deadline:
                break
            _pause(attempt, _LOST_REPLY_PAUSE_S)
            continue
        if found is None or draft.claim_id.encode() not in found:
            return False
        replace_all(files, companions)
        return True
    raise StoreError(
        f"{name}:v{candidate} may have been recorded or not: {in_doubt.what if in_doubt else ''}",
        where=files.locate(path),
        hint=f"Before you record it again, look whether that file has claim_id {draft.claim_id}.",
    ) from in_doubt


def _look(files: StoreFiles, path: str) -> bytes | None:
    """Read what a claim met; where that cannot be read, it may be the claim's own work."""
    try:
        return files.read(path)
    except StoreError as error:
        raise UnknownOutcomeError(error.what, where=error.where, hint=error.hint) from error


def last_version(files: StoreFiles, name: str, *, at_least: int = 0) -> int:
    """The last version of a name that exists; 0 where there is none.

    Where the hint is missing or tells of a version that is gone, the folder is listed: somebody
    removed files by hand, and there may be gaps.

    Args:
        files: The store.
        name: A valid artifact name.
        at_least: A version that is known to exist.
    """
    hint = read_hint(files, name)
    if hint == 0 or (hint > at_least and not files.exists(manifest_path(name, hint))):
        return max(at_least, last_listed(files, name))
    return gallop(files, name, max(at_least, hint))


def last_listed(files: StoreFiles, name: str) -> int:
    """The highest version in a listing of the name's folder; 0 where there is none."""
    return max(listed_versions(files, name), default=0)


def listed_versions(files: StoreFiles, name: str) -> Iterator[int]:
    """The versions in a listing of the name's folder, unsorted."""
    for folder in files.folders(name):
        match = _FOLDER.fullmatch(folder)
        if match and files.presumes(manifest_path(name, int(match.group(1)))):
            yield int(match.group(1))


def gallop(files: StoreFiles, name: str, known: int) -> int:
    """Look forward from a version that exists (or 0) to the last one without a gap."""
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


def read_hint(files: StoreFiles, name: str) -> int:
    """What the hint says; 0 where there is none or it is damaged."""
    return parse_version_text(files.read(hint_path(name)))


def _presumed_last(files: StoreFiles, name: str) -> int:
    hint = read_hint(files, name)
    if hint == 0 or files.presumes(manifest_path(name, hint)):
        return hint
    return last_listed(files, name)


def _pause(attempt: int, one_try_s: float) -> None:
    """Wait for a random moment, longer with every conflict, in units of what one try takes."""
    # Not from the random module: its state is the training's, which seeds it alike on all ranks.
    unit = min(max(_SHORTEST_PAUSE_S, one_try_s), _LONGEST_UNIT_S)
    longest = min(_LONGEST_PAUSE_S, unit * 2 ** min(attempt + _NARROWEST, _WIDEST))
    time.sleep(longest * secrets.randbelow(_PAUSE_STEPS) / _PAUSE_STEPS)
