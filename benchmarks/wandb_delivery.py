"""What W&B adds to the thread that saves a checkpoint, and to a job's start and end."""

from __future__ import annotations

import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from omegaconf import OmegaConf

from benchmarks.support.harness import Cell, Check, Result, publish
from nemo_runspec.artifacts import ArtifactTrackingResult, setup_artifact_tracking
from nemo_runspec.events import CheckpointSaved, record_checkpoint
from nemotron_kit_wandb import finish_run, init_wandb_from_env

ROUNDS = 40
PAUSE_S = 0.2
SLOW_S = 2.0
CONDITIONS = ("up", "slow", "down")
SAVE_LIMIT_MS = 20.0
CALL_LIMIT_S = 5.0
JOB_LIMIT_S = 15.0
KEY = "a" * 40

SERVER = f"""
import sys
sys.path.insert(0, "tests")
from wandb_server import faults
from wandb_server.server import KEY, running
with running() as server:
    server.state.add_user("ada", KEY, "team")
    print(server.url, flush=True)
    for line in sys.stdin:
        server.up()
        server.faults.heal()
        if line.strip() == "slow":
            server.faults.plan(faults.delay({SLOW_S}), times=None)
        if line.strip() == "down":
            server.down()
        print("done", flush=True)
"""


class Server:
    """The tests' W&B server in a process of its own, so that it takes no turn of the job's."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._commands = cast("IO[str]", self._process.stdin)
        self.url = self._said()

    def be(self, condition: str) -> None:
        """Change how it behaves, and return when it does."""
        self._commands.write(f"{condition}\n")
        self._commands.flush()
        self._said()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _said(self) -> str:
        return cast("IO[str]", self._process.stdout).readline().strip()


def main() -> None:
    """Save checkpoints in turns, with manifests alone and with W&B too, in every condition."""
    logging.getLogger().addHandler(logging.NullHandler())
    server = Server()
    with tempfile.TemporaryDirectory() as folder:
        prepare_environment(Path(folder), server.url)
        os.chdir(folder)
        root = Path(folder)
        plain, both = tracking(root / "plain", wandb=False), tracking(root / "both", wandb=True)
        with both:
            saves_ms, start_s, end_s = measure(server, plain, both, root)
    server.close()
    publish(result(saves_ms, start_s, end_s))


def measure(
    server: Server, plain: ArtifactTrackingResult, both: ArtifactTrackingResult, root: Path
) -> tuple[dict[str, dict[str, list[float]]], dict[str, float], dict[str, float]]:
    """Go through the conditions: one run for the saves, one for the start and the end of each."""
    saves_ms: dict[str, dict[str, list[float]]] = {}
    start_s: dict[str, float] = {}
    end_s: dict[str, float] = {}
    for condition in CONDITIONS:
        server.be("up")
        init_wandb_from_env(job_type="training")
        server.be(condition)
        saves_ms[condition] = take_saves({"plain": plain, "both": both}, root / condition)
        end_s[condition] = seconds(finish_run)
        start_s[condition] = seconds(init_wandb_from_env)
        server.be("up")
        finish_run()
    return saves_ms, start_s, end_s


def take_saves(
    trackings: dict[str, ArtifactTrackingResult], folder: Path
) -> dict[str, list[float]]:
    """Save checkpoints in turns; label to the milliseconds of each."""
    found: dict[str, list[float]] = {label: [] for label in trackings}
    for step in range(ROUNDS + 1):
        path = folder / f"iter_{step:07d}"
        path.mkdir(parents=True)
        for label, one in trackings.items():
            event = CheckpointSaved(path, folder, step, "megatron-bridge")
            start = time.perf_counter()
            record_checkpoint(event, one, name="model")
            elapsed_ms = (time.perf_counter() - start) * 1000
            if step:
                found[label].append(elapsed_ms)
            time.sleep(PAUSE_S)  # training goes on, and the other thread delivers
    return found


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def tracking(root: Path, *, wandb: bool) -> ArtifactTrackingResult:
    """Set a tracking up, with a store of its own."""
    artifacts = {"manifest": {"root": str(root)}, "wandb": wandb}
    run = {"wandb": {"project": "nemotron", "entity": "team"}}
    return setup_artifact_tracking(OmegaConf.create({"artifacts": artifacts, "run": run}))


def prepare_environment(folder: Path, url: str) -> None:
    """A world in which nobody heard of another W&B."""
    for name in [name for name in os.environ if name.startswith(("WANDB_", "NEMOTRON_R"))]:
        del os.environ[name]
    settings = {
        "WANDB_BASE_URL": url,
        "WANDB_API_KEY": KEY,
        "WANDB_PROJECT": "nemotron",
        "WANDB_ENTITY": "team",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        "WANDB_CONSOLE": "off",
        "HOME": str(folder),
        "NEMOTRON_RUN_DIR": str(folder / "run"),
    }
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR"):
        settings[name] = str(folder)
    os.environ.update(settings)


def result(
    saves_ms: dict[str, dict[str, list[float]]], start_s: dict[str, float], end_s: dict[str, float]
) -> Result:
    """Compare with manifests alone, and with what is promised of an outage."""
    rows: list[dict[str, Cell]] = []
    checks: list[Check] = []
    for condition in CONDITIONS:
        plain = statistics.median(saves_ms[condition]["plain"])
        both = statistics.median(saves_ms[condition]["both"])
        pairs = zip(saves_ms[condition]["plain"], saves_ms[condition]["both"], strict=True)
        added = statistics.median(after - before for before, after in pairs)
        rows.append(
            {
                "W&B is": condition,
                "manifest_ms": round(plain, 2),
                "with W&B, ms": round(both, 2),
                "added_ms": round(added, 2),
                "longest_ms": round(max(saves_ms[condition]["both"]), 2),
                "start_s": round(start_s[condition], 2),
                "end_s": round(end_s[condition], 2),
            }
        )
        checks.append(Check(f"added to a save, {condition}, ms", round(added, 2), SAVE_LIMIT_MS))
    lost_s = start_s["down"] + end_s["down"]
    checks.append(Check("start, down, s", round(start_s["down"], 2), CALL_LIMIT_S))
    checks.append(Check("end, down, s", round(end_s["down"], 2), CALL_LIMIT_S))
    checks.append(Check("start and end, down, s", round(lost_s, 2), JOB_LIMIT_S))
    return Result(
        name="wandb_delivery",
        title="An outage of W&B",
        setting=f"Median of {ROUNDS} checkpoints on the thread that saves them, in turns with "
        f"manifests alone. Slow: every reply takes {SLOW_S:g} s more. Down: the server goes down "
        "while the run is active (end), or is down when it starts (start). The client is the real "
        "one, its server the tests'.",
        rows=rows,
        checks=checks,
    )


if __name__ == "__main__":
    main()
