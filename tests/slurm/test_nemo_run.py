"""Executors of `build_executor` in experiments of NeMo-Run's own, as its users have them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nemo_run as run
import pytest
from nemo_run.config import get_nemorun_home, set_nemorun_home
from slurm_cluster import SlurmCluster
from slurm_cluster.daemons import wait_until

from nemotron.kit import build_executor

NASTY = 'two words, "quotes", it\'s $HOME `x` \\ and ünï'
LOOK = """
import os, sys
value, name, rank = (os.environ[name] for name in ("NASTY", "lower_case", "SLURM_PROCID"))
sys.stdout.write(f"rank {rank} value {ascii(value)} name {name}\\n")
sys.stdout.flush()
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def empty_stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """NeMo-Run passes its own input on to the commands that it runs."""
    with Path("/dev/null").open(encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Where NeMo-Run keeps this test's experiments, which change the level of all logging."""
    before, level = get_nemorun_home(), logging.getLogger().level
    set_nemorun_home(str(tmp_path / "home"))
    yield tmp_path / "home"
    set_nemorun_home(before)
    logging.getLogger().setLevel(level)


@pytest.fixture(params=["local", "ssh"])
def profile(
    request: pytest.FixtureRequest, cluster: SlurmCluster, tmp_path: Path, home: Path
) -> dict[str, Any]:
    """The keys of a profile that leads to the cluster through a tunnel."""
    keys: dict[str, Any] = {
        "executor": "slurm",
        "account": "research",
        "partition": "batch",
        "time": "00:05:00",
        "env_vars": {"NASTY": NASTY, "lower_case": "kept"},
    }
    if request.param == "ssh":
        reached = {
            "host": "127.0.0.1",
            "user": cluster.ssh.user,
            "port": cluster.ssh.port,
            "identity": str(cluster.ssh.key),
            "remote_job_dir": str(tmp_path / "far"),
        }
        return {**keys, **reached}
    return keys


@pytest.fixture
def look(tmp_path: Path) -> Path:
    """A script that every node sees."""
    file = tmp_path / "look.py"
    file.write_text(LOOK)
    return file


def started(look: Path, profile: dict[str, Any], code: int, *, wait: bool, **overrides: Any) -> Any:
    """Run the script in an experiment; attached, it has ended when this returns."""
    script = run.Script(path=str(look), entrypoint=sys.executable, args=[str(code)])
    executor = build_executor(profile, **overrides)
    with run.Experiment("lab", log_level="ERROR") as experiment:
        experiment.add(script, executor=executor, name="look", tail_logs=wait)
        experiment.run(detach=not wait)
    return experiment


def job_of(experiment: Any) -> dict[str, Any]:
    found: dict[str, Any] = experiment.status(return_dict=True)["look"]
    return found


def printed(tmp_path: Path) -> str:
    return "".join(file.read_text() for file in sorted(tmp_path.rglob("log-*.out")))


def test_an_attached_experiment_succeeds_with_its_variables_as_they_are(
    look: Path, profile: dict[str, Any], tmp_path: Path
) -> None:
    experiment = started(look, profile, 0, wait=True, nodes=2, ntasks_per_node=2)

    assert str(job_of(experiment)["status"]) == "SUCCEEDED"
    assert sorted(printed(tmp_path).splitlines()) == [
        f"rank {rank} value {NASTY!a} name kept" for rank in range(4)
    ]


def test_a_failing_experiment_has_failed(look: Path, profile: dict[str, Any]) -> None:
    experiment = started(look, profile, 3, wait=True)
    assert str(job_of(experiment)["status"]) == "FAILED"


def test_a_detached_experiment_goes_on_by_itself(
    look: Path, profile: dict[str, Any], cluster: SlurmCluster
) -> None:
    experiment = started(look, profile, 0, wait=False)
    handle = str(job_of(experiment)["handle"])
    job = handle.rsplit("/", 1)[-1]
    assert cluster.wait_for(job) == "COMPLETED"
    # Accounting hears of the end a little later than the controller.
    ended = wait_until(lambda: str(job_of(experiment)["status"]) == "SUCCEEDED", 30)
    assert ended, job_of(experiment)
