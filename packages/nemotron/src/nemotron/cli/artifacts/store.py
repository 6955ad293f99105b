"""The manifest store that one invocation looks at."""

from __future__ import annotations

from functools import cached_property

from nemo_runspec.artifacts.settings import EMBEDDED_ROOT, environment_settings
from nemo_runspec.manifest_tracker import ManifestTracker
from nemotron.cli.app import App


class Store:
    """The manifest store that one invocation looks at.

    Args:
        app: The invocation.
        root: What ``--root`` says; by default the environment's root, else ``./artifacts``.
    """

    def __init__(self, app: App, root: str | None) -> None:
        self.app = app
        self._root = root

    @cached_property
    def tracker(self) -> ManifestTracker:
        """The tracker of the store; nothing is created."""
        settings = environment_settings()
        root = self._root or settings.root or self.app.cwd / EMBEDDED_ROOT
        return ManifestTracker(root, single_writer=settings.single_writer)
