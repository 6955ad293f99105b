"""A job that tracks itself in manifests and in W&B, as a process of its own."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

from . import picture

START = """
import logging, sys, time
from pathlib import Path
from omegaconf import OmegaConf
from nemo_runspec.artifacts import Artifact, ModelArtifact, log_artifact, setup_artifact_tracking
from nemotron_kit_wandb import finish_run, init_wandb_from_env, patch_wandb_init_for_lineage

logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")


def note(what):
    print(what, flush=True)


def wait():
    if not sys.stdin.readline():
        raise SystemExit("nobody goes on")


def track(**references):
    run = {"wandb": {"project": "nemotron", "entity": "team"}, **references}
    artifacts = {"manifest": {"root": "store"}, "wandb": True}
    return setup_artifact_tracking(OmegaConf.create({"run": run, "artifacts": artifacts}))


def record(name, number, kind=Artifact):
    folder = Path("out", name, str(number))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "content.txt").write_text(f"{name} {number}")
    fields = {"step": number} if kind is ModelArtifact else {}
    return log_artifact(kind(path=folder, **fields), name=name)
"""

PREPARE = (
    START
    + """
track()
run = init_wandb_from_env(job_type="data-prep")
record("data", 1)
finish_run()
"""
)

TRAIN = (
    START
    + """
track(data="data:latest")
run = init_wandb_from_env(job_type="training")
run.config.update({"lr": 1})
run.log({"loss": 2.0})
record("model", 1, ModelArtifact)
note("first")
wait()
run.log({"loss": 1.0})
record("model", 2, ModelArtifact)
note("second")
wait()
finish_run()
"""
)


class Job:
    """A script in a process of its own, that says where it is and waits to be told to go on."""

    def __init__(self, script: str, run_dir, **environment: str) -> None:
        self.run_dir = run_dir
        variables = {
            "WANDB_PROJECT": "nemotron",
            "WANDB_ENTITY": "team",
            "NEMOTRON_RUN_DIR": str(run_dir),
            **environment,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )
        self.errors = ""

    def until(self, word: str) -> None:
        """Wait until it says a word."""
        said = []
        for line in self._process.stdout:
            said.append(line)
            if line.strip() == word:
                return
        raise AssertionError(f"{''.join(said)}\n{self._process.stderr.read()}")

    def go_on(self) -> None:
        """Let it go on."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """End it, as the kernel does when memory is short."""
        self._process.kill()
        self._process.wait()
        self._close()

    def end(self, code: int = 0) -> str:
        """Wait for its end; return what it said on standard error."""
        return self.output(code)[1]

    def output(self, code: int = 0) -> tuple[str, str]:
        """Wait for its end; return what it said on both streams."""
        said, self.errors = self._process.communicate(timeout=120)
        assert self._process.returncode == code, self.errors
        return said, self.errors

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            stream.close()


def comparable(server):
    """The server's state without what is another in each history: times, and what has them."""
    seen = picture.take(server.state)
    artifacts = {}
    for name, artifact in seen.artifacts.items():
        metadata = {key: item for key, item in artifact.metadata.items() if key != "created_at"}
        artifacts[name] = dataclasses.replace(artifact, digest="", metadata=metadata)
    return dataclasses.replace(seen, artifacts=artifacts)


def differences(one, other):
    """Where two pictures differ: what, in the one, in the other."""
    found = []
    for part in ("runs", "artifacts"):
        before, after = getattr(one, part), getattr(other, part)
        for name in sorted({*before, *after}):
            left, right = before.get(name), after.get(name)
            if left is None or right is None:
                found.append((name, left, right))
                continue
            for field in dataclasses.fields(left):
                pair = getattr(left, field.name), getattr(right, field.name)
                if pair[0] != pair[1]:
                    found.append((f"{name} {field.name}", *pair))
    return found
