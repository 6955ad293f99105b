"""The `nemotron` command in a folder whose profiles lead to a test cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slurm_cluster import SlurmCluster
from slurm_cluster.daemons import wait_until

PROFILES = ("here", "far")
_COMMAND_LIMIT_S = 150
# Variables by which the shell that runs the tests would change what they see.
_FOREIGN = ("NEMOTRON_", "WANDB_", "HF_", "SLURM_", "RAY_")

_ENV = """
[artifacts.manifest]
root = "{folder}/artifacts"

[here]
executor = "slurm"
account = "research"
run_partition = "interactive"
batch_partition = "batch"
time = "00:10:00"

[far]
extends = "here"
host = "lab"
remote_job_dir = "{folder}/far"
"""

# A recipe that says where and with what it runs, waits where it is told to, and ends as told.
_TRAIN = r"""
# /// script
# dependencies = ["nemo-runspec"]
# [tool.runspec]
# schema = "1"
# name = "demo/train"
# docs = "Stand in for training."
# [tool.runspec.run]
# launch = "direct"
# packager = "self_contained"
# [tool.runspec.config]
# dir = "config/train"
# [tool.runspec.artifacts.reads]
# data = "SFTDataArtifact"
# ///
import os
import sys
import time
from pathlib import Path

from nemo_runspec.artifacts import setup_artifact_tracking
from nemo_runspec.config import load_omegaconf_yaml, parse_config_and_overrides

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "SLURMD_NODENAME")


def say(text):
    # At once: other processes write into the same file.
    os.write(1, f"{text}\n".encode())


config = load_omegaconf_yaml(parse_config_and_overrides()[0])
setup_artifact_tracking(config)
say(" ".join(f"{name}={os.environ.get(name)}" for name in NAMES))
say(f"data {config.data} attempt {os.environ.get('SLURM_RESTART_COUNT', '0')}")
say(f"task {os.environ.get('SLURM_ARRAY_TASK_ID')}")
while config.wait_for and not Path(config.wait_for).exists():
    time.sleep(0.05)
say(f"ends with {config.code}")
sys.exit(config.code)
"""

_PREP = """
# /// script
# dependencies = ["nemo-runspec"]
# [tool.runspec]
# schema = "1"
# name = "demo/data/prep/sft"
# docs = "Stand in for data preparation."
# [tool.runspec.run]
# packager = "self_contained"
# [tool.runspec.config]
# dir = "config/prep"
# [tool.runspec.artifacts]
# writes = "SFTDataArtifact"
# ///
from pathlib import Path

from nemo_runspec.artifacts import SFTDataArtifact, log_artifact_once, setup_artifact_tracking
from nemo_runspec.config import load_omegaconf_yaml, parse_config_and_overrides
from nemo_runspec.script import script_main


def main() -> None:
    config = load_omegaconf_yaml(parse_config_and_overrides()[0])
    tracking = setup_artifact_tracking(config)
    folder = Path(config.output_dir).absolute()
    folder.mkdir(parents=True)
    (folder / "data.txt").write_text(folder.name)
    artifact = SFTDataArtifact(path=folder, pack_size=8, total_tokens=16)
    log_artifact_once(artifact, tracking)


if __name__ == "__main__":
    script_main(main)
"""

_FILES = {
    "prep.py": _PREP,
    "train.py": _TRAIN,
    "config/prep/default.yaml": "output_dir: ???\n",
    "config/train/default.yaml": "data: none\nwait_for: null\ncode: 0\n",
    "config/train/pinned.yaml": "run:\n  data: demo-sft-data:latest\n"
    "data: ${art:data,path}\nwait_for: null\ncode: 0\n",
}


@dataclass(frozen=True)
class Finished:
    """A command that has ended.

    Attributes:
        code: Its exit code.
        out: What it printed.
        err: What it said beside that.
    """

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True)
class Workplace:
    """A folder in which somebody works with a cluster.

    Attributes:
        folder: Where the commands run; seen by every node.
        cluster: What its profiles lead to.
        profile: Which of them this one uses.
        environment: The variables of its commands.
    """

    folder: Path
    cluster: SlurmCluster
    profile: str = "here"
    environment: Mapping[str, str] = field(default_factory=dict)

    def nemotron(self, *words: str, limit_s: float = _COMMAND_LIMIT_S, **more: str) -> Finished:
        """Run a command line to its end, without a terminal."""
        done = subprocess.run(
            _command(words),
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=limit_s,
            cwd=self.folder,
            env={**self.environment, **more},
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command line in a session of its own; what it says goes to the file `said`."""
        with (self.folder / "said").open("w") as said:
            return subprocess.Popen(
                _command(words),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self.folder,
                env=dict(self.environment),
                start_new_session=True,
            )

    def wait_until_said(self, command: subprocess.Popen[str], text: str) -> None:
        """Wait until the command that was started has said something."""
        ended = wait_until(lambda: text in self.said or command.poll() is not None, 120)
        if not ended or text not in self.said:
            raise RuntimeError(f"never said {text!r}:\n{self.said}")

    @property
    def said(self) -> str:
        """What the command that was started last has said so far."""
        return (self.folder / "said").read_text()

    def run(self, *words: str) -> Finished:
        """Run a recipe attached."""
        return self.nemotron(*words, "--run", self.profile)

    def submit(self, *words: str) -> dict[str, Any]:
        """Submit a recipe detached, and return what its record says."""
        done = self.nemotron(*words, "--batch", self.profile, "--json")
        if done.code:
            raise RuntimeError(done.out + done.err)
        found: dict[str, Any] = done.document["job"]
        return found

    def status(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Ask `nemotron jobs status` about a job."""
        done = self.nemotron("jobs", "status", job["id"], "--json")
        found: dict[str, Any] = done.document["status"]
        return found

    def output(self, job: Mapping[str, Any]) -> str:
        """What a job has printed so far, read on the nodes' own file system."""
        files = sorted(Path("/").glob(job["log_pattern"].lstrip("/")))
        return "".join(file.read_text() for file in files)

    def wait_for_output(self, job: Mapping[str, Any], text: str, limit_s: float = 60) -> None:
        """Wait until a job has printed something."""
        if not wait_until(lambda: text in self.output(job), limit_s):
            shown = self.cluster.show(job["scheduler_id"])
            raise RuntimeError(f"never printed {text!r}:\n{self.output(job)}\n{shown}")


def make_workplace(folder: Path, cluster: SlurmCluster, profile: str) -> Workplace:
    """Write profiles and recipes into a folder."""
    (folder / "env.toml").write_text(_ENV.format(folder=folder))
    for name, text in _FILES.items():
        write(folder / "recipes/demo" / name, text)
    return Workplace(folder, cluster, profile, _environment(cluster))


def write(file: Path, text: str) -> None:
    """Write a text without the indentation that it has in a test."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text).lstrip("\n"))


def _command(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "nemotron", *words]


def _environment(cluster: SlurmCluster) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**own, **cluster.environment}
