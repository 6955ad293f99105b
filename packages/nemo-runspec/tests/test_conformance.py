from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from nemo_runspec.artifacts.tracker import Tracker
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.files.memory import MemoryFiles
from nemo_runspec.testing import TrackerConformance


class ManifestConformance(TrackerConformance):
    def another(self, tracker: Tracker) -> Tracker:
        assert isinstance(tracker, ManifestTracker)
        return ManifestTracker(tracker.root)


class TestLocalDisk(ManifestConformance):
    @pytest.fixture
    def tracker(self, tmp_path: Path) -> Tracker:
        return ManifestTracker(tmp_path / "artifacts")


class TestLocalDiskWithoutLinks(ManifestConformance):
    @pytest.fixture
    def tracker(self, tmp_path: Path) -> Tracker:
        control = tmp_path / "artifacts" / ".nemotron"
        control.mkdir(parents=True)
        (control / "store.json").write_text('{"format_version": 1, "publish": "rename"}')
        return ManifestTracker(tmp_path / "artifacts")


class TestMemory(ManifestConformance):
    @pytest.fixture
    def tracker(self) -> Tracker:
        return ManifestTracker(f"memory://{uuid.uuid4().hex}")

    def test_a_file_is_created_once(self) -> None:
        files = MemoryFiles(f"memory://{uuid.uuid4().hex}")
        assert files.create("v1/manifest.json", b"first")
        assert not files.create("v1/manifest.json", b"second")
        assert files.read("v1/manifest.json") == b"first"
