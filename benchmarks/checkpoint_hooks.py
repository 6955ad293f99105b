"""What the frameworks' hooks add to a checkpoint, on the thread that saves it."""

from __future__ import annotations

import importlib
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.support.harness import Check, Result, publish
from benchmarks.wandb_delivery import Server, prepare_environment
from nemo_runspec.artifacts import ArtifactTrackingResult, setup_artifact_tracking
from nemotron_kit_megatron import checkpoint_callbacks
from nemotron_kit_nemorl import patch_manifest_nemo_rl_checkpoint_logging
from nemotron_kit_wandb import finish_run, init_wandb_from_env

ROUNDS = 40
FILES = 64
PAUSE_S = 0.2
LIMITS_MS = {"manifests": 20.0, "both": 40.0}
BACKENDS = {"manifests": False, "both": True}
PACKAGES = Path(__file__).parents[1] / "packages"
DOUBLES = [
    PACKAGES / f"nemotron-kit-{name}" / "tests" / "double" for name in ("megatron", "nemorl")
]

Save = Callable[[int], float]
Undo = Callable[[], None]


def main() -> None:
    """Save in turns: as the frameworks do, with manifests, and with W&B beside them."""
    logging.getLogger().addHandler(logging.NullHandler())
    sys.path[:0] = map(str, DOUBLES)
    server = Server()
    rows: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        prepare_environment(Path(folder), server.url)
        os.chdir(folder)
        for name, prepare in (("Megatron-Bridge", of_megatron), ("NeMo-RL", of_nemo_rl)):
            rows[name] = {
                backends: measured(prepare, Path(folder) / name / str(number), wandb=wandb)
                for number, (backends, wandb) in enumerate(
                    {"manifests": False, "both": True}.items()
                )
            }
    server.close()
    publish(result(rows))


def measured(
    prepare: Callable[[Path, ArtifactTrackingResult | None], tuple[Save, Undo]],
    folder: Path,
    *,
    wandb: bool,
) -> list[float]:
    """How many milliseconds the hook adds to each save, in turns with one that has no hook."""
    plain, _ = prepare(folder / "plain", None)
    with tracking_in(folder / "store", wandb=wandb) as tracking:
        if wandb:
            init_wandb_from_env(job_type="training")
        hooked, undo = prepare(folder / "hooked", tracking)
        added = []
        for step in range(1, ROUNDS + 2):
            without = plain(step)
            added.append(hooked(step) - without)
            time.sleep(PAUSE_S)  # training goes on, and the other thread delivers
        undo()
        if wandb:
            finish_run()
    return added[1:]


def of_megatron(folder: Path, tracking: ArtifactTrackingResult | None) -> tuple[Save, Undo]:
    """Megatron-Bridge's calls at the end of a save."""
    callbacks = importlib.import_module("megatron.bridge.training.callbacks")
    saving = importlib.import_module("megatron.bridge.training.checkpointing")
    hooks = [] if tracking is None else checkpoint_callbacks(tracking)
    manager = callbacks.normalize_callbacks(hooks)
    settings = SimpleNamespace(
        save=str(folder),
        non_persistent_ckpt_type=None,
        non_persistent_global_ckpt_dir=None,
        most_recent_k=-1,
        async_save=True,
    )
    state: Any = SimpleNamespace(
        cfg=SimpleNamespace(checkpoint=settings),
        train_state=SimpleNamespace(step=0),
        wandb_logger=None,
        full_disk=False,
        barrier=lambda: None,
        pending=[],
    )

    def save(step: int) -> float:
        state.train_state.step = step
        saving.save_checkpoint(state, [], callback_manager=manager)
        fill(folder / f"iter_{step:07d}")
        return milliseconds(state.pending.pop().finalize)

    return save, undo_all(hooks)


def of_nemo_rl(folder: Path, tracking: ArtifactTrackingResult | None) -> tuple[Save, Undo]:
    """NeMo-RL's rename of a checkpoint that is whole; a thread makes it in the newest source."""
    module: Any = importlib.import_module("nemo_rl.utils.checkpoint")
    # A class of its own, so that the other turn's has no hook.
    kind: Any = type("CheckpointManager", (module.CheckpointManager,), {})
    patches = []
    if tracking is not None:
        module.CheckpointManager, before = kind, module.CheckpointManager
        patches.append(patch_manifest_nemo_rl_checkpoint_logging(tracking=tracking))
        module.CheckpointManager = before
    manager = kind({"checkpoint_dir": str(folder)})

    def save(step: int) -> float:
        working = manager.init_tmp_checkpoint(step, {})
        fill(working / "policy" / "weights")
        return milliseconds(lambda: manager.finalize_checkpoint(working))

    return save, undo_all(patches)


def undo_all(hooks: Sequence[Any]) -> Undo:
    """What takes hooks off."""

    def undo() -> None:
        for hook in hooks:
            hook.undo()

    return undo


def fill(folder: Path) -> None:
    """Write as many files as a checkpoint of some ranks has."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        (folder / f"__{number}_0.distcp").write_bytes(b"weights")


def milliseconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def tracking_in(root: Path, *, wandb: bool) -> ArtifactTrackingResult:
    """Set a tracking up, with a store of its own."""
    artifacts = {"manifest": {"root": str(root)}, "wandb": wandb}
    run = {"output": "model", "wandb": {"project": "nemotron", "entity": "team"}}
    return setup_artifact_tracking({"artifacts": artifacts, "run": run})


def result(found: dict[str, dict[str, list[float]]]) -> Result:
    """Medians, and what is promised of them."""
    added = {
        (framework, backends): round(statistics.median(times), 2)
        for framework, both in found.items()
        for backends, times in both.items()
    }
    return Result(
        name="checkpoint_hooks",
        title="Hooks of the frameworks",
        setting=f"Median of {ROUNDS} checkpoints of {FILES} files, in turns with a save that has "
        "no hook, on the thread that saves. The frameworks are the doubles of the tests, which are "
        "held to the source; W&B is up, its client the real one.",
        rows=[
            {
                "framework": framework,
                "recorded in": backends,
                "added_ms": median,
                "longest_ms": round(max(found[framework][backends]), 2),
            }
            for (framework, backends), median in added.items()
        ],
        checks=[
            Check(f"added by {framework}, {backends}, ms", median, LIMITS_MS[backends])
            for (framework, backends), median in added.items()
        ],
    )


if __name__ == "__main__":
    main()
