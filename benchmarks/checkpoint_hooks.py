"""What the frameworks' hooks add to a checkpoint, on the thread that saves it."""

from __future__ import annotations

import contextlib
import importlib
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.store import link_a_durable_file
from benchmarks.support.harness import Cell, Check, Result, publish
from benchmarks.wandb_delivery import Server, prepare_environment
from nemo_runspec.artifacts import ArtifactTrackingResult, setup_artifact_tracking
from nemotron_kit_megatron import checkpoint_callbacks
from nemotron_kit_nemorl import patch_manifest_nemo_rl_checkpoint_logging
from nemotron_kit_wandb import finish_run, init_wandb_from_env

ROUNDS = 40
FILES = 64
PAUSE_S = 0.2
# A version may cost 8 floors on a local disk (see "Recording and finding versions"); a hook writes
# metadata.json beside the checkpoint too, as durably, which may cost as much again.
FLOOR_LIMIT = 16.0
# Of W&B the thread that saves only writes down what another one delivers: a second record.
BOTH_LIMIT = 2.0
PACKAGES = Path(__file__).parents[1] / "packages"
DOUBLES = [
    PACKAGES / f"nemotron-kit-{name}" / "tests" / "double" for name in ("megatron", "nemorl")
]

Save = Callable[[int], float]
Undo = Callable[[], None]
Prepare = Callable[[Path, ArtifactTrackingResult | None], tuple[Save, Undo]]


def main() -> None:
    """Save in turns: as the frameworks do, with manifests, and with W&B beside them."""
    logging.getLogger().addHandler(logging.NullHandler())
    sys.path[:0] = map(str, DOUBLES)
    server = Server()
    frameworks: dict[str, Prepare] = {"Megatron-Bridge": of_megatron, "NeMo-RL": of_nemo_rl}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, contextlib.chdir(folder):
        place = Path(folder)
        prepare_environment(place, server.url)
        found = {name: measured(way, place / name) for name, way in frameworks.items()}
    server.close()
    publish(result(found))


def measured(prepare: Prepare, folder: Path) -> dict[str, list[float]]:
    """What each save costs, in milliseconds: in every turn one of each kind, and the floor."""
    with (
        tracking_in(folder / "alone", wandb=False) as manifests,
        tracking_in(folder / "beside", wandb=True) as both,
    ):
        init_wandb_from_env(job_type="training")
        kinds: dict[str, ArtifactTrackingResult | None] = {
            "no hook": None,
            "manifests": manifests,
            "both": both,
        }
        jobs = {kind: prepare(folder / kind, tracking) for kind, tracking in kinds.items()}
        saves: dict[str, Save] = {kind: save for kind, (save, _) in jobs.items()}
        saves["floor"] = lambda step: milliseconds(
            lambda: least(folder, folder / "floor" / str(step))
        )
        times: dict[str, list[float]] = {kind: [] for kind in saves}
        for step in range(1, ROUNDS + 2):
            fill(folder / "floor" / str(step))
            for kind in rotated(list(saves), step):
                times[kind].append(saves[kind](step))
            time.sleep(PAUSE_S)  # training goes on, and the other thread delivers
        for _, undo in jobs.values():
            undo()
        finish_run()
    return {kind: values[1:] for kind, values in times.items()}


def rotated(kinds: Sequence[str], turn: int) -> list[str]:
    """Let each come first in its turn: whatever follows a pause finds cold caches."""
    at = turn % len(kinds)
    return [*kinds[at:], *kinds[:at]]


def least(root: Path, checkpoint: Path) -> None:
    """The least that records a checkpoint: its files looked at, and one durable file."""
    for file in checkpoint.iterdir():
        file.stat()
    link_a_durable_file(root)


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
    """Medians of what hooks add within a turn, and what is promised of them."""
    rows: list[dict[str, Cell]] = []
    checks: list[Check] = []
    for framework, times in found.items():
        added = {kind: added_by(times, kind) for kind in ("manifests", "both")}
        floor = statistics.median(times["floor"])
        ratios = {kind: round(value / floor, 1) for kind, value in added.items()}
        rows += [
            {
                "framework": framework,
                "recorded in": kind,
                "added_ms": round(added[kind], 2),
                "longest_ms": round(max(times[kind]), 2),
                "times the floor": ratios[kind],
            }
            for kind in added
        ]
        more = round(added["both"] / added["manifests"], 2)
        checks += [
            Check(f"{framework}: manifests, times the floor", ratios["manifests"], FLOOR_LIMIT),
            Check(f"{framework}: both, times manifests alone", more, BOTH_LIMIT),
        ]
    floors = statistics.median(time for times in found.values() for time in times["floor"])
    return Result(
        name="checkpoint_hooks",
        title="Hooks of the frameworks",
        setting=f"Median of {ROUNDS} checkpoints of {FILES} files, in turns with a save that has "
        "no hook, on the thread that saves. The floor looks at the files and publishes one durable "
        f"file: {floors:.2f} ms. The frameworks are the doubles of the tests, which are held to "
        "the source; W&B is up, its client the real one.",
        rows=rows,
        checks=checks,
    )


def added_by(times: dict[str, list[float]], kind: str) -> float:
    """The median of what a save costs more than that without a hook in the same turn."""
    pairs = zip(times[kind], times["no hook"], strict=True)
    return statistics.median(hooked - plain for hooked, plain in pairs)


if __name__ == "__main__":
    main()
