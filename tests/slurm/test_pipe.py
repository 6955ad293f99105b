"""Chains of recipes as jobs of Slurm: all at once behind each other, or one after another."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nemo_run.core.serialization.zlib_json import ZlibJSONSerializer
from slurm_cluster import SlurmCluster
from slurm_cluster.daemons import wait_until
from slurm_recipes import over_ssh, write_profile

from nemo_runspec.manifest_tracker import ManifestTracker
from nemotron.cli.main import main

HEADER = """\
# /// script
# dependencies = ["nemo-runspec"]
# [tool.runspec]
# schema = "1"
# name = "toy/{name}"
# [tool.runspec.run]
# launch = "direct"
# packager = "self_contained"
# [tool.runspec.config]
# dir = "config/{file}"
# [tool.runspec.artifacts]
# writes = "{writes}"
{reads}# ///
"""

# A stand-in for every stage: it reads what it is given, and records what it makes.
BODY = """
import time
from pathlib import Path

from nemo_runspec.artifacts import SFTDataArtifact, log_artifact_once, setup_artifact_tracking
from nemo_runspec.config import load_omegaconf_yaml, parse_config_and_overrides
from nemo_runspec.errors import DataError
from nemo_runspec.events import CheckpointSaved, record_checkpoint
from nemo_runspec.script import script_main


def main() -> None:
    path, _ = parse_config_and_overrides()
    config = load_omegaconf_yaml(path)
    tracking = setup_artifact_tracking(config)
    work = config.work
    if work.broken:
        raise DataError("The stage is broken.", hint="Repair it.")
    while work.wait_for and not Path(work.wait_for).exists():
        time.sleep(0.1)
    given = [(Path(place) / "made").read_text() for place in work.given]
    folder = Path(work.out)
    folder.mkdir(parents=True, exist_ok=True)
    made = "+".join([*given, str(work.what)])
    (folder / "made").write_text(made)
    print(f"made {made}", flush=True)
    if "data" in work.what:
        artifact = SFTDataArtifact(path=folder, pack_size=8, total_tokens=len(made))
        log_artifact_once(artifact, tracking)
        return
    for step in (5, 10):
        iteration = folder / f"iter_{step}"
        iteration.mkdir(exist_ok=True)
        record_checkpoint(CheckpointSaved(iteration, folder, step, "stand-in"), tracking)


if __name__ == "__main__":
    script_main(main)
"""

STAGES = {
    "data/prep/pretrain": {},
    "pretrain": {"data": "toy-pretrain-data"},
    "sft": {"model": "toy-pretrain-model"},
}
KINDS = {"data": "SFTDataArtifact", "model": "ModelArtifact"}
RESULT = "pretrain-data+pretrain+sft"


class Toy:
    """A folder with a family of four stand-ins and a profile, and what became of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = folder / "gate"

    @property
    def record(self) -> dict[str, Any]:
        """The record of the latest chain."""
        *_, file = sorted(self.folder.glob(".nemotron/pipes/toy/*/pipe.json"))
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def stage(self, name: str) -> dict[str, Any]:
        """What is recorded of one stage."""
        found: dict[str, Any] = next(s for s in self.record["stages"] if s["name"] == name)
        return found

    @property
    def states(self) -> list[str]:
        """Where the stages stand, as far as it is written down."""
        return [stage["state"] for stage in self.record["stages"]]

    @property
    def made(self) -> str:
        """What came out of the last stage."""
        return (self.folder / "out/sft/made").read_text()

    def job(self, name: str) -> str:
        """Slurm's number of a stage's job."""
        number: str = self.submission(name)["scheduler_id"]
        return number

    def submission(self, name: str) -> dict[str, Any]:
        """The record of a stage's job."""
        file = Path(self.stage(name)["run_dir"]) / "job.json"
        found: dict[str, Any] = json.loads(file.read_text())
        return found


def write_stage(folder: Path, name: str, reads: dict[str, str], out: Path) -> None:
    file = name.replace("/", "_")
    writes = KINDS["data" if name.startswith("data") else "model"]
    lines = "".join(f'# {key} = "{KINDS[key]}"\n' for key in reads)
    section = f"# [tool.runspec.artifacts.reads]\n{lines}" if reads else ""
    header = HEADER.format(name=name, file=file, writes=writes, reads=section)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{file}.py").write_text(header + BODY)
    stage = name.rpartition("/")[2]
    what = f"{stage}-data" if name.startswith("data") else stage
    config = {
        "run": {key: f"{text}:latest" for key, text in reads.items()},
        "work": {
            "broken": False,
            "wait_for": None,
            "given": [f"${{art:{key},path}}" for key in reads],
            "what": what,
            "out": str(out / what),
        },
    }
    (folder / "config" / file).mkdir(parents=True)
    (folder / "config" / file / "default.yaml").write_text(json.dumps(config))


@pytest.fixture
def toy(cluster: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toy]:
    """A family of stand-ins, and profiles that lead to the cluster, here and over ssh."""
    folder = tmp_path / "work"
    for name, reads in STAGES.items():
        write_stage(folder / "recipes/toy", name, reads, folder / "out")
    write_profile(folder)
    far = "\n".join(('extends = "lab"', *over_ssh(tmp_path / "far")))
    with (folder / "env.toml").open("a") as stream:
        stream.write(f'\n[far]\n{far}\n\n[artifacts.manifest]\nroot = "{folder}/artifacts"\n')
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DEMO_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("NEMOTRON_RECIPES", str(folder / "recipes"))
    yield Toy(folder)
    (folder / "gate").touch()


@pytest.fixture
def nemotron(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(words)
        out, err = capfd.readouterr()
        return code, out, err

    return run


def what_tasks_wait_for(experiment: Path) -> dict[str, list[str]]:
    """The tasks of an experiment, as NeMo-Run keeps them."""
    kept = json.loads((experiment / "_TASKS").read_text())
    tasks = [ZlibJSONSerializer().deserialize(task) for task, _ in kept]
    return {task.id: list(task.dependencies) for task in tasks}


def test_all_stages_are_submitted_at_once_and_nobody_elses_version_slips_in(
    toy: Toy, cluster: SlurmCluster, nemotron: Callable
) -> None:
    code, out, err = nemotron("toy", "pipe", "--batch", "far")
    assert code == 0, err
    assert "─ Chain Submitted (toy " in out
    assert toy.states == ["submitted"] * len(STAGES)
    experiment = toy.folder.parent / "far/toy-pipe" / f"toy-pipe_{toy.record['id']}"
    jobs = [toy.submission(name) for name in STAGES]
    assert [job["job_dir"] for job in jobs] == [
        str(experiment / f"toy-{name.replace('/', '-')}") for name in STAGES
    ]
    assert {job["experiment_id"] for job in jobs} == {experiment.name}
    assert what_tasks_wait_for(experiment) == {
        "toy-data-prep-pretrain": [],
        "toy-pretrain": ["toy-data-prep-pretrain"],
        "toy-sft": ["toy-pretrain"],
    }
    assert list(experiment.parent.iterdir()) == [experiment]
    assert not list(toy.folder.glob(".nemotron/pipes/toy/*/.submission"))
    cluster.run("scontrol", "hold", toy.job("sft"))
    assert cluster.wait_for(toy.job("pretrain")) == "COMPLETED"
    other = ("work.what=other", f"work.out={toy.folder}/other", "--quiet")
    assert nemotron("toy", "pretrain", *other)[1].split()[-1] == "toy-pretrain-model:v4"
    cluster.run("scontrol", "release", toy.job("sft"))
    assert cluster.wait_for(toy.job("sft")) == "COMPLETED"
    assert toy.made == RESULT
    assert nemotron("jobs", "logs", toy.stage("sft")["job"])[1] == f"made {RESULT}\n"
    manifest = ManifestTracker(toy.folder / "artifacts").find("toy-sft-model:v2")
    assert manifest.used_artifacts == ["toy-pretrain-model:v2"]
    # What became of it is asked for when the chain is gone on with.
    code, out, _ = nemotron("toy", "pipe", "--resume")
    assert code == 0
    assert "─ Chain Complete (toy " in out
    assert toy.stage("sft")["artifact"] == "toy-sft-model:v2"


def test_a_failed_stage_cancels_those_after_it_and_the_rest_can_be_submitted_again(
    toy: Toy, cluster: SlurmCluster, nemotron: Callable
) -> None:
    code, out, _ = nemotron("toy", "pipe", "--batch", "lab", "pretrain:work.broken=true", "--quiet")
    assert code == 0
    assert out.splitlines() == [stage["job"] for stage in toy.record["stages"]]
    assert cluster.wait_for(toy.job("pretrain")) == "FAILED"
    assert cluster.wait_for(toy.job("sft")) == "CANCELLED"
    told = json.loads(nemotron("jobs", "status", toy.stage("sft")["job"], "--json")[1])
    assert told["status"]["state"] == "cancelled"
    assert not (toy.folder / "out/sft").exists()
    before = {stage["name"]: stage["job"] for stage in toy.record["stages"]}
    code, out, err = nemotron("toy", "pipe", "--resume", "pretrain:work.broken=false")
    assert code == 0, err
    assert "data/prep/pretrain: toy-pretrain-data:v1" in out
    after = {stage["name"]: stage["job"] for stage in toy.record["stages"]}
    assert [name for name in STAGES if before[name] != after[name]] == ["pretrain", "sft"]
    experiments = [toy.submission(name)["experiment_id"] for name in STAGES]
    assert experiments[0] != experiments[1] == experiments[2]
    assert cluster.wait_for(toy.job("sft")) == "COMPLETED"
    assert toy.made == RESULT


def test_going_on_with_a_chain_whose_jobs_run_submits_nothing_twice(
    toy: Toy, cluster: SlurmCluster, nemotron: Callable
) -> None:
    gate = f"data/prep/pretrain:work.wait_for={toy.gate}"
    nemotron("toy", "pipe", "--to", "pretrain", "--batch", "lab", gate, "--quiet")
    cluster.wait_for(toy.job("data/prep/pretrain"), "RUNNING")
    before = [stage["job"] for stage in toy.record["stages"]]
    code, out, err = nemotron("toy", "pipe", "--resume")
    assert code == 0, err
    assert "─ Chain Submitted (toy " in out
    assert toy.states == ["running", "submitted"]
    with cluster.without_controller():
        code, _, err = nemotron("toy", "pipe", "--resume")
        assert code == 1
        assert "Where the stage data/prep/pretrain stands is not known. Slurm does not" in err
    toy.gate.touch()
    # Followed from here on, one after another.
    code, _, err = nemotron("toy", "pipe", "--resume", "--run", "lab")
    assert code == 0, err
    assert toy.states == ["succeeded"] * 2
    assert [stage["job"] for stage in toy.record["stages"]] == before


def test_stages_are_followed_one_after_another(toy: Toy, nemotron: Callable) -> None:
    words = ("toy", "pipe", "--to", "pretrain", "--run", "far", "pretrain:work.broken=true")
    code, out, err = nemotron(*words)
    assert code == 1
    assert "made pretrain-data\n" in out
    assert "Stage 2 of 2: pretrain\n" in out
    assert "─ Chain Stopped (toy " in out
    assert toy.states == ["succeeded", "failed"], err
    assert toy.stage("pretrain")["reason"] == "The stage is broken."
    code, out, err = nemotron("toy", "pipe", "--resume", "pretrain:work.broken=false", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["status"] == "completed"
    assert document["stages"][-1]["artifacts"][-1]["ref"] == "toy-pretrain-model:v2"


def test_a_dry_run_shows_the_scripts_and_a_refused_stage_leaves_those_before_it(
    toy: Toy, cluster: SlurmCluster, nemotron: Callable
) -> None:
    words = ("toy", "pipe", "--to", "pretrain", "--batch", "lab")
    refused = (*words, "pretrain:run.env.partition=nowhere")
    code, out, err = nemotron(*refused, "--dry-run")
    assert code == 0, err
    assert out.count("#SBATCH --account=research") == 2
    assert "#SBATCH --partition=nowhere" in out
    assert not (toy.folder / ".nemotron").exists()
    elsewhere = ("pretrain:run.env.host=other", "pretrain:run.env.remote_job_dir=/jobs")
    code, _, err = nemotron(*words, *elsewhere)
    assert code == 2
    assert "on other and would wait for data/prep/pretrain, which is submitted on this" in err
    code, _, err = nemotron(*words, "pretrain:run.env.remote_job_dir='/a b'")
    assert code == 2
    assert "'/a b' cannot be a folder of jobs" in err
    assert not list(toy.folder.glob(".nemotron/runs/*/*"))
    assert cluster.run("squeue", "--noheader") == ""
    other = toy.folder.parent / "other"
    other.write_text("a file is in the way of the second folder")
    code, _, err = nemotron(*words, f"pretrain:run.env.remote_job_dir={other}")
    assert code == 1
    assert "The folder cannot be written to" in err
    assert toy.states == ["waiting"] * 2
    assert not list(toy.folder.glob(".nemotron/runs/*/*"))
    assert not list(toy.folder.glob(".nemotron/pipes/toy/*/job/toy-pipe"))
    code, out, err = nemotron(*refused)
    assert code == 1
    assert "nowhere" in err
    assert [Path(toy.submission("data/prep/pretrain")["job_dir"])] == list(
        toy.folder.glob(".nemotron/pipes/toy/*/job/toy-pipe/*/toy-*/")
    )
    assert "─ Chain Stopped (toy " in out
    assert toy.states == ["submitted", "waiting"]
    code, _, err = nemotron("toy", "pipe", "--resume", "pretrain:run.env.partition=batch")
    assert code == 0, err
    assert cluster.wait_for(toy.job("pretrain")) == "COMPLETED"


@pytest.mark.usefixtures("cluster")
def test_stages_whose_names_differ_in_a_dash_have_a_folder_each(
    toy: Toy, nemotron: Callable
) -> None:
    for name in ("a/b", "a-b"):
        write_stage(toy.folder / "recipes/toy", name, {}, toy.folder / "out")
    both = ("--to", "a-b", "--to", "a/b", "a-b:run.output=other")
    code, out, err = nemotron("toy", "pipe", *both, "--batch", "lab", "--dry-run")
    assert code == 0, err
    folders = re.findall(r"^#SBATCH --output=(\S+)/sbatch", out, re.MULTILINE)
    assert len(set(folders)) == len(folders) == 2


def kill_at_sbatch(toy: Toy, cluster: SlurmCluster, *words: str) -> None:
    """Run a command that is killed when Slurm has taken its job, and before it knows of that."""
    real = shutil.which("sbatch", path=cluster.environment["PATH"])
    told, sbatch = toy.folder / "told", toy.folder / "bin/sbatch"
    sbatch.parent.mkdir()
    wait = f"until [ -s {told} ]; do sleep 0.05; done; kill -9 $(cat {told})"
    sbatch.write_text(f'#!/bin/sh\n{real} "$@"\n{wait}\n')
    sbatch.chmod(0o755)
    path = f"{sbatch.parent}:{cluster.environment['PATH']}"
    command = [sys.executable, "-m", "nemotron", "toy", *words, "--batch", "lab"]
    with subprocess.Popen(command, env={**os.environ, "PATH": path}) as killed:
        told.write_text(str(killed.pid))
    assert killed.returncode == -signal.SIGKILL
    jobs = toy.folder / ".nemotron"
    assert wait_until(lambda: list(jobs.rglob("scheduler_id")) != [], 30)


def test_a_job_that_slurm_took_as_its_command_was_killed_is_found(
    toy: Toy, cluster: SlurmCluster, nemotron: Callable
) -> None:
    gate = f"data/prep/pretrain:work.wait_for={toy.gate}"
    kill_at_sbatch(toy, cluster, "pipe", "--to", "pretrain", gate)
    code, _, err = nemotron("toy", "pipe", "--resume", "--quiet")
    assert code == 0, err
    assert len(cluster.run("squeue", "--noheader").splitlines()) == 2
    toy.gate.touch()
    assert cluster.wait_for(toy.job("pretrain")) == "COMPLETED"


def test_a_job_that_is_no_stage_is_found_as_well(
    toy: Toy, cluster: SlurmCluster, nemotron: Callable
) -> None:
    kill_at_sbatch(toy, cluster, "data", "prep", "pretrain")
    code, out, err = nemotron("jobs", "ls", "--json")
    assert code == 0, err
    [listed] = json.loads(out)
    assert cluster.wait_for(listed["job"]["scheduler_id"]) == "COMPLETED"
