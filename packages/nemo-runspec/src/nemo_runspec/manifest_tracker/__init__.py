"""Artifact versions as JSON manifests on any storage, with no server.

The layout, which is a contract::

    {root}/{name}/v{N}/manifest.json   the commit point: create-only, holds everything
    {root}/{name}/v{N}/metadata.json   the flat dump that resolvers of other tools read
    {root}/{name}/latest               text "v2": a hint, which readers verify
    {root}/{name}/aliases/{alias}      text "v2"
"""

from __future__ import annotations

from nemo_runspec.manifest_tracker.schema import FORMAT_VERSION, Content, Manifest
from nemo_runspec.manifest_tracker.tracker import ManifestTracker

__all__ = ["FORMAT_VERSION", "Content", "Manifest", "ManifestTracker"]
