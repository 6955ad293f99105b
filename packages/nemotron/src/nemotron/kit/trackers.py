"""Backends that record artifacts and resolve references."""

# ruff: noqa: PLC0414 - an alias is how a module says that it re-exports a name

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.artifacts.tracker import Tracker as Tracker
    from nemo_runspec.manifest_tracker import ManifestTracker as ManifestTracker
    from nemotron_kit_wandb.tracker import WandbTracker as WandbTracker

EXPORTS = {
    "ManifestTracker": "nemo_runspec.manifest_tracker:ManifestTracker",
    "Tracker": "nemo_runspec.artifacts.tracker:Tracker",
    "WandbTracker": "nemotron_kit_wandb.tracker:WandbTracker",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
