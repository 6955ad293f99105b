"""``nemotron artifacts ls``: artifacts, or the versions of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.manifest_tracker import Manifest
from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.store import Store
from nemotron.cli.panels import Panel, Row
from nemotron.cli.values import show_time


def run(app: App, values: Mapping[str, Any]) -> int:
    """List every artifact with its latest version, or every version of one artifact."""
    tracker = Store(app, values["root"]).tracker
    name = values["reference"]
    mode = output_mode(values)
    if name is None:
        found = [tracker.read(each, tracker.latest_version(each)) for each in tracker.names()]
        title = f"Artifacts in {tracker.root}"
    else:
        wanted = ArtifactReference.parse(name)
        tracker.latest_version(wanted.name)
        found = [tracker.read(wanted.name, number) for number in tracker.versions(wanted.name)]
        title = f"Versions of {wanted.name} in {tracker.root}"
    if mode == "json":
        app.document([_summary(manifest) for manifest in found])
    elif mode == "quiet":
        lines = [manifest.name if name is None else manifest.ref for manifest in found]
        app.write("".join(f"{line}\n" for line in lines))
    else:
        app.panel(Panel(title, _listing_rows(found) or ["None yet."], fill=False))
    return 0


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "ref": manifest.ref,
        "name": manifest.name,
        "version": manifest.version,
        "type": manifest.type,
        "path": manifest.path,
        "created_at": manifest.created_at.isoformat(),
        "producer": manifest.producer,
    }


def _listing_rows(manifests: list[Manifest]) -> list[Row]:
    return [
        (manifest.ref, f"{manifest.type}  {show_time(manifest.created_at)}  {manifest.path}")
        for manifest in manifests
    ]
