"""Two real processes finish and delete checkpoints at once: each withdraws only what it deleted."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from nemo_runspec.manifest_tracker import ManifestTracker

TESTS = Path(__file__).parent


def test_two_drivers_share_a_name_and_take_nothing_from_each_other(tmp_path):
    store, results = tmp_path / "store", tmp_path / "results"
    driver = TESTS / "drivers" / "two_drivers.py"
    done = subprocess.run(
        [sys.executable, driver, TESTS / "double", store, results],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    tracker = ManifestTracker(store)
    versions = tracker.versions("model")
    assert versions == [1, 2, 3, 4, 5, 6]
    places = {
        number: tracker.read("model", number).metadata["absolute_path"] for number in versions
    }
    assert Counter(Path(place).name for place in places.values()) == dict.fromkeys(
        ("step_10", "step_20", "step_30"), 2
    )
    for number, place in places.items():
        assert (tracker.withdrawal("model", number) is None) is Path(place).is_dir()
    assert sum(Path(place).is_dir() for place in places.values()) == 2
