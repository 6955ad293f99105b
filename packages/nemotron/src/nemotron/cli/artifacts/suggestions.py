"""The references that can go on from what was typed."""

from __future__ import annotations

from collections.abc import Iterator

import click

from nemo_runspec.artifacts.reference import LATEST, is_artifact_name
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.survey import artifact_folders, version_folders
from nemotron.cli.artifacts.store import Store
from nemotron.cli.commands import app_of

_SCHEME = "art://"


def suggest_references(ctx: click.Context, typed: str) -> list[str]:
    """Suggest names; where only one is left, its versions too, the last first.

    Args:
        ctx: The command line, for its ``--root``.
        typed: The beginning of a reference.

    Raises:
        StoreError: The store cannot be listed.
    """
    tracker = Store(app_of(ctx), ctx.params.get("root")).tracker
    scheme = _SCHEME if typed.startswith(_SCHEME) else ""
    found = _references(tracker, typed.removeprefix(scheme))
    return [f"{scheme}{reference}" for reference in found]


def _references(tracker: ManifestTracker, typed: str) -> list[str]:
    name, colon, selector = typed.partition(":")
    if colon:
        return list(_selected(tracker, name, selector)) if is_artifact_name(name) else []
    names = [name for name in artifact_folders(tracker) if name.startswith(typed)]
    if len(names) != 1:
        return names
    return [*names, *_selected(tracker, names[0], "")]


def _selected(tracker: ManifestTracker, name: str, beginning: str) -> Iterator[str]:
    versions = [f"v{number}" for number in reversed(version_folders(tracker, name))]
    aliases = sorted(tracker.files.names(f"{name}/aliases"))
    for selector in (LATEST, *aliases, *versions):
        if selector.startswith(beginning):
            yield f"{name}:{selector}"
