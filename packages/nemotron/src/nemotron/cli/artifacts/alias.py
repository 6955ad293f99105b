"""``nemotron artifacts alias``: words that mean a version, and may be moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_runspec.artifacts.reference import LATEST, ArtifactReference
from nemo_runspec.errors import UsageError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.survey import AliasRecord, read_aliases, version_folders
from nemotron.cli.app import App, OutputMode, output_mode
from nemotron.cli.artifacts.store import Store
from nemotron.cli.panels import Panel, Row


def run(app: App, values: Mapping[str, Any]) -> int:
    """Set, move, remove or list the aliases of an artifact."""
    tracker = Store(app, values["root"]).tracker
    reference = ArtifactReference.parse(values["reference"])
    mode = output_mode(values)
    if values["remove"]:
        _remove(app, tracker, reference, values["alias"], mode)
    elif values["alias"] is None:
        _list(app, tracker, reference, mode)
    else:
        _set(app, tracker, reference, values["alias"], mode)
    return 0


def _set(
    app: App, tracker: ManifestTracker, reference: ArtifactReference, alias: str, mode: OutputMode
) -> None:
    target = tracker.resolve(reference)
    name, version = str(target.name), int(target.version or 0)
    before = tracker.aliases(name).get(alias)
    tracker.set_alias(name, version, alias)
    if mode == "text":
        app.say(f"{name}:{alias} means v{version}{_moved(before, version)}.")
    _answer(app, mode, name, alias, version=version, before=before)


def _remove(
    app: App,
    tracker: ManifestTracker,
    reference: ArtifactReference,
    word: str | None,
    mode: OutputMode,
) -> None:
    alias = word or reference.selector
    if word is None and (alias == LATEST or reference.version is not None):
        raise UsageError(
            f"'{reference}' names no alias to remove.",
            hint=f"Write nemotron artifacts alias {reference.name}:ALIAS --remove",
        )
    before = tracker.aliases(reference.name).get(alias)
    tracker.remove_alias(reference.name, alias)
    if mode == "text":
        app.say(f"{reference.name}:{alias} is removed; it meant v{before}.")
    _answer(app, mode, reference.name, alias, version=None, before=before)


def _answer(
    app: App, mode: OutputMode, name: str, alias: str, *, version: int | None, before: int | None
) -> None:
    if mode == "json":
        app.document({"name": name, "alias": alias, "version": version, "before": before})
    elif mode == "quiet" and version is not None:
        app.write(f"{name}:v{version}\n")


def _list(
    app: App, tracker: ManifestTracker, reference: ArtifactReference, mode: OutputMode
) -> None:
    if not version_folders(tracker, reference.name):
        tracker.latest_version(reference.name)
    aliases = read_aliases(tracker, reference.name)
    if mode == "json":
        app.document([_document(reference.name, each) for each in aliases])
    elif mode == "quiet":
        app.write("".join(f"{reference.name}:{each.alias}\n" for each in aliases))
    else:
        rows: list[Row] = [(each.alias, _meaning(each)) for each in aliases]
        title = f"Aliases of {reference.name}"
        app.panel(Panel(title, rows or ["None yet."], fill=False))


def _document(name: str, alias: AliasRecord) -> dict[str, Any]:
    return {
        "name": name,
        "alias": alias.alias,
        "version": alias.version or None,
        "problem": alias.problem,
    }


def _meaning(alias: AliasRecord) -> str:
    return f"v{alias.version}" if alias.problem is None else f"nothing: {alias.problem}"


def _moved(before: int | None, version: int) -> str:
    if before is None:
        return ""
    return ", as before" if before == version else f"; it meant v{before} before"
