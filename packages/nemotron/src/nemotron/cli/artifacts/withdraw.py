"""``nemotron artifacts withdraw``: take a version out of use; its record stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.store import Store


def run(app: App, values: Mapping[str, Any]) -> int:
    """Withdraw one version."""
    tracker = Store(app, values["root"]).tracker
    manifest = tracker.find(values["reference"])
    withdrawal = tracker.withdraw(manifest.name, manifest.version, reason=values["reason"])
    mode = output_mode(values)
    if mode == "json":
        app.document({"ref": manifest.ref, **withdrawal.model_dump(mode="json")})
    elif mode == "quiet":
        app.write(f"{manifest.ref}\n")
    else:
        app.say(
            f"{manifest.ref} is withdrawn: no reference finds it any more. Its record and data "
            f"stay.\nTake it back with: nemotron artifacts restore {manifest.ref}"
        )
    return 0
