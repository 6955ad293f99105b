"""Two real processes save together: one record of each checkpoint, made when all is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nemo_runspec.manifest_tracker import ManifestTracker

TESTS = Path(__file__).parent


@pytest.mark.parametrize("generation", ["newest", "0.3"])
def test_two_processes_make_one_record_of_each_checkpoint(tmp_path, generation):
    store, save_dir = tmp_path / "store", tmp_path / "checkpoints"
    driver = TESTS / "drivers" / "two_ranks.py"
    done = subprocess.run(
        [sys.executable, driver, TESTS / "double", store, save_dir, generation],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    tracker = ManifestTracker(store)
    manifests = [tracker.read("model", version) for version in tracker.versions("model")]
    assert [manifest.fields["step"] for manifest in manifests] == [2, 4, 6]
    # Both ranks' shards were there when it was recorded, and the tracker file of the first.
    for manifest in manifests:
        assert manifest.content.files == 4
    assert done.stderr.count("kept for a restart only") == (1 if generation == "newest" else 0)
