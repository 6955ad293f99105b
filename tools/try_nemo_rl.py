"""Run the hooks of nemotron-kit-nemorl with the checkpoint manager of a NeMo-RL checkout.

    python tools/try_nemo_rl.py CHECKOUT [--revision REV]

NeMo-RL is on no package index, so CI holds the hooks to a snapshot of its names; this runs them
with the real class. It needs torch, numpy, pydantic and PyYAML, and no GPU. Four checkpoints are
saved, of which ``keep_top_k: 1`` leaves the best and the last: the versions of the others must be
withdrawn.
"""

# ruff: noqa: INP001 - a script

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from check_contracts import Source, say

from nemo_runspec.artifacts import ArtifactTrackingResult, setup_artifact_tracking
from nemotron_kit_nemorl import patch_manifest_nemo_rl_checkpoint_logging

MODULE = "nemo_rl/utils/checkpoint.py"
METRIC = "val:reward"
REWARDS = {10: 0.2, 20: 0.9, 30: 0.5, 40: 0.7}
EXPECTED = {10: "withdrawn", 20: "in use", 30: "withdrawn", 40: "in use"}


def main() -> int:
    """Save, and compare what the store says; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--revision", help="what to read of a git repository")
    given = parser.parse_args()
    text = Source(given.checkout, given.revision).read(MODULE)
    if text is None:
        raise SystemExit(f"{given.checkout}: {MODULE} is not there.")
    with tempfile.TemporaryDirectory() as folder:
        place_module(text, Path(folder))
        root = str(Path(folder) / "store")
        config = {"run": {"output": "model"}, "artifacts": {"manifest": {"root": root}}}
        with setup_artifact_tracking(config) as tracking:
            patch = patch_manifest_nemo_rl_checkpoint_logging()
            save_all(Path(folder) / "results")
            found = states(tracking)
    say(f"{patch.target}: {found}")
    return 0 if found == EXPECTED else 1


def place_module(text: str, folder: Path) -> None:
    """Put the one module where ``import nemo_rl.utils.checkpoint`` finds it."""
    file = folder / MODULE
    file.parent.mkdir(parents=True)
    for package in (file.parent, file.parent.parent):
        (package / "__init__.py").touch()
    file.write_text(text, "utf-8")
    sys.path.insert(0, str(folder))


def save_all(results: Path) -> None:
    """Save and finish as that release's training loops do."""
    module = importlib.import_module("nemo_rl.utils.checkpoint")
    settings = {
        "checkpoint_dir": str(results),
        "metric_name": METRIC,
        "higher_is_better": True,
        "keep_top_k": 1,
        "save_period": 10,
        "save_optimizer": True,
    }
    manager: Any = module.CheckpointManager(settings)
    finish = getattr(manager, "begin_finalization", manager.finalize_checkpoint)
    for step, reward in REWARDS.items():
        working = Path(manager.init_tmp_checkpoint(step, {METRIC: reward, "step": step}, None))
        (working / "policy" / "weights").mkdir(parents=True)
        finish(working)
    getattr(manager, "shutdown", lambda: None)()


def states(tracking: ArtifactTrackingResult) -> dict[int, str]:
    """Each step that was recorded, and whether its version is in use."""
    tracker = tracking.manifest_tracker
    versions = [] if tracker is None else tracker.versions("model")
    return {
        tracker.read("model", version).fields["step"]: (
            "in use" if tracker.withdrawal("model", version) is None else "withdrawn"
        )
        for version in versions
        if tracker is not None
    }


if __name__ == "__main__":
    sys.exit(main())
