from __future__ import annotations

import pytest

from nemo_runspec.artifacts import Tracker
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.testing import TrackerConformance


class TestHub(TrackerConformance):
    @pytest.fixture
    def tracker(self, root: str) -> Tracker:
        return ManifestTracker(root)

    def another(self, tracker: Tracker) -> Tracker:
        assert isinstance(tracker, ManifestTracker)
        return ManifestTracker(tracker.root)
