"""Asynchronous saves as megatron-core really finalizes them, in two processes of torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nemo_runspec.manifest_tracker import ManifestTracker


def test_two_processes_of_torch_finalize_asynchronous_saves_together(tmp_path):
    script = Path(__file__).parent / "bridge_job" / "save.py"
    store, save_dir = tmp_path / "store", tmp_path / "checkpoints"
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, str(script), str(store), str(save_dir)]
    done = subprocess.run(
        command,
        env={**environ, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tracker = ManifestTracker(store)
    manifests = [tracker.read("model", version) for version in tracker.versions("model")]
    assert [(each.fields["step"], each.content.files) for each in manifests] == [(20, 3), (40, 3)]
    assert done.stdout.splitlines() == [
        "rank 1 had recorded 0 before",
        "rank 1 had recorded 1 before",
    ]
