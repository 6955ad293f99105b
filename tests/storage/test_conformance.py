"""Every object store that honours create-only writes behaves as a local disk does."""

from __future__ import annotations

import pytest

from nemo_runspec.artifacts.tracker import Tracker
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.testing import TrackerConformance


class TestObjectStores(TrackerConformance):
    @pytest.fixture
    def tracker(self, root: str) -> Tracker:
        return ManifestTracker(root)

    def another(self, tracker: Tracker) -> Tracker:
        assert isinstance(tracker, ManifestTracker)
        return ManifestTracker(tracker.root)
