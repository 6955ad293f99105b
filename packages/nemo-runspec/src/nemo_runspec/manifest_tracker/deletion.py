"""Deleting the data of withdrawn versions, where nothing else can miss it.

A folder is deleted only where it is local, holds exactly what was recorded, and has nothing to do
with the data of a version in use. Whatever is in doubt stays, with the reason.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.tracker import OWN_DIRECTORY
from nemo_runspec.errors import StoreError
from nemo_runspec.manifest_tracker.content import OUR_FOLDER, describe, list_files
from nemo_runspec.manifest_tracker.reach import (
    Place,
    folders_below,
    identities,
    is_spellable,
    linked_places,
    mounts_below,
    passed_places,
    place_at,
    settled_place,
)
from nemo_runspec.manifest_tracker.schema import Manifest
from nemo_runspec.manifest_tracker.survey import VersionRecord
from nemo_runspec.manifest_tracker.verification import measured_place

_SHALLOWEST = 3


@dataclass(frozen=True)
class DataPlace:
    """Where the data of withdrawn versions lies.

    Attributes:
        path: The file or folder, or a URI.
        refs: The withdrawn versions whose data it is.
        bytes: Its recorded size; None where that is not known.
        obstacle: Why it stays; None where it may be deleted.
    """

    path: str
    refs: list[str]
    bytes: int | None = None
    obstacle: str | None = None


def plan_deletion(
    root: str,
    records: Iterable[VersionRecord],
    kept: Collection[str],
    *,
    unread: Sequence[str] = (),
) -> list[DataPlace]:
    """Find the data that withdrawing all but the kept versions leaves without a use.

    Args:
        root: The store's root; nothing in, at or around it is ever deleted.
        records: Every version of the store.
        kept: The references of the versions whose data stays.
        unread: What cannot be read, and whose data may lie anywhere.

    Returns:
        Each place that still exists, sorted, with what stands against deleting it.
    """
    known = [(record, record.manifest) for record in records if record.manifest is not None]
    needed = [manifest for record, manifest in known if record.ref in kept]
    places: dict[str, list[Manifest]] = {}
    for record, manifest in known:
        if record.ref not in kept:
            places.setdefault(own_place(manifest), []).append(manifest)
    guard = _Guard(root, needed, unread)
    return [
        DataPlace(
            path=place,
            refs=[manifest.ref for manifest in owners],
            bytes=owners[-1].content.bytes if owners[-1].content else None,
            obstacle=guard.obstacle(place, owners),
        )
        for place, owners in sorted(places.items())
        if _may_exist(place)
    ]


def delete_data(place: DataPlace) -> None:
    """Delete a file or folder without following links.

    Raises:
        StoreError: Something of it could not be deleted, or the plan has an obstacle.
    """
    local = local_path(place.path)
    if local is None or place.obstacle is not None:
        raise StoreError("The data stays.", where=place.path, hint=place.obstacle)
    if not os.path.lexists(local):
        return
    try:
        if local.is_dir() and not local.is_symlink():
            shutil.rmtree(local)
        else:
            local.unlink()
    except OSError as error:
        raise StoreError(
            f"The data could not be deleted in full: {error.strerror}.",
            where=str(error.filename or local),
            hint="Check that you may write there, then run the collection again.",
        ) from error


def own_place(manifest: Manifest) -> str:
    """Where the data of this version alone lies: of a checkpoint, its iteration's directory."""
    own = manifest.metadata.get(OWN_DIRECTORY) if manifest.kind == "model" else None
    return own if isinstance(own, str) and own else measured_place(manifest)


class _Guard:
    def __init__(self, root: str, needed: Iterable[Manifest], unread: Sequence[str]) -> None:
        self._unread = unread
        self._manifests = list(needed)
        local_root = local_path(root)
        self._root = None if local_root is None else place_at(local_root.absolute())

    def obstacle(self, place: str, owners: list[Manifest]) -> str | None:
        local = local_path(place)
        if local is None:
            return "it lies on remote storage"
        if self._unread:
            return f"{self._unread[0]} cannot be read, and may need it"
        if not local.is_absolute():
            return "its path is not absolute"
        if local.is_symlink():
            return "it is a link"
        try:
            found = self._forbidden(place_at(local)) or self._needed(place_at(local))
            return found or _unlike_record(local, owners)
        except OSError as error:
            return f"it cannot be read: {error.strerror}"

    def _forbidden(self, place: Place) -> str | None:
        if len(place.path.parts) < _SHALLOWEST:
            return "it lies at the top of the file system"
        for folder, what in ((Path.home(), "home folder"), (Path.cwd(), "working directory")):
            if place.holds(place_at(folder)):
                return f"it is or holds the {what}"
        if self._root and (place.holds(self._root) or self._root.holds(place)):
            return "it is part of the store, or holds it"
        if mounts_below(place.path) or os.path.ismount(place.path):
            return "another file system is mounted there"
        return None

    def _needed(self, place: Place) -> str | None:
        if self._unwalked is not None:
            return self._unwalked
        below = identities(folders_below(place.path))
        for needed, ref in (*self._data, *self._mentioned):
            if place.holds(needed) or not below.isdisjoint(needed.line):
                return f"{ref} needs it"
        for needed, ref in self._data:
            if needed.holds(place):
                return f"{ref} needs what it is part of"
        return None

    @property
    def _data(self) -> list[tuple[Place, str]]:
        return self._walked[0]

    @property
    def _unwalked(self) -> str | None:
        return self._walked[1]

    @cached_property
    def _mentioned(self) -> list[tuple[Place, str]]:
        found = {
            each: manifest.ref
            for manifest in self._manifests
            for path in _local(_texts(manifest.document()))
            for each in passed_places(path)
        }
        return [(settled_place(path), ref) for path, ref in found.items()]

    @cached_property
    def _walked(self) -> tuple[list[tuple[Place, str]], str | None]:
        """All that the versions in use read, and why that is not known."""
        found: dict[Path, str] = {}
        for manifest in self._manifests:
            for path in _local([own_place(manifest), *manifest.inputs]):
                found |= dict.fromkeys(passed_places(path), manifest.ref)
                try:
                    found |= dict.fromkeys(linked_places(path), manifest.ref)
                except OSError as error:
                    unread = f"{error.filename or path} cannot be read ({error.strerror})"
                    return [], f"{unread}, and {manifest.ref} may need it through a link there"
        return [(settled_place(path), ref) for path, ref in found.items()], None


def _unlike_record(place: Path, owners: list[Manifest]) -> str | None:
    recorded = {m.content.listing for m in owners if m.content and m.content.listing}
    if not recorded:
        return "what it held was not recorded"
    if any(folder.name == OUR_FOLDER for folder in [place, *folders_below(place)]):
        return "it holds a store or run directories"
    if describe(list_files(place), None).listing not in recorded:
        return "it holds other than what was recorded"
    return None


def _local(places: Iterable[str]) -> Iterator[Path]:
    for place in places:
        local = local_path(place)
        if local is not None and local.is_absolute() and is_spellable(place):
            yield local


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _may_exist(place: str) -> bool:
    local = local_path(place)
    return local is None or os.path.lexists(local)
