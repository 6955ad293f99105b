"""``nemotron artifacts restore``: take a withdrawn version into use again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.store import Store


def run(app: App, values: Mapping[str, Any]) -> int:
    """Restore one version."""
    tracker = Store(app, values["root"]).tracker
    manifest = tracker.find(values["reference"])
    withdrawal = tracker.withdrawal(manifest.name, manifest.version)
    tracker.restore(manifest.name, manifest.version)
    mode = output_mode(values)
    if mode == "json":
        app.document({"ref": manifest.ref, "was_withdrawn": withdrawal is not None})
    elif mode == "quiet":
        app.write(f"{manifest.ref}\n")
    else:
        state = "was not withdrawn" if withdrawal is None else "is in use again"
        app.say(f"{manifest.ref} {state}.")
    return 0
