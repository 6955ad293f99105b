from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.artifacts import ModelArtifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.distributed import Rank, in_scheduled_job, once_per_job
from nemo_runspec.errors import CoordinationError
from nemo_runspec.manifest_tracker import ManifestTracker

DRIVER = Path(__file__).parent / "drivers" / "rank.py"


def start_rank(rank: int, size: int, config: Any, counter: Path, **extra: str) -> Any:
    environ = os.environ | {"RANK": str(rank), "WORLD_SIZE": str(size)} | extra
    return subprocess.Popen(
        [sys.executable, str(DRIVER), json.dumps(config), str(counter)],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    root = tmp_path / "artifacts"
    artifact = ModelArtifact(path=Path("/checkpoints/base"), step=1)
    ManifestTracker(root).log(artifact, name="base", lineage=Lineage())
    return {
        "artifacts": {"manifest": {"root": str(root)}},
        "run": {"model": "base:latest"},
        "path": "${art:model,path}",
    }


@pytest.mark.parametrize("where", ["NEMOTRON_RUN_DIR", "LOCAL_WORLD_SIZE"])
def test_one_rank_resolves_and_the_others_take_it_over(
    tmp_path: Path, config: dict[str, Any], where: str
) -> None:
    shared = {where: "4" if where == "LOCAL_WORLD_SIZE" else str(tmp_path / "run")}
    counter = tmp_path / "resolutions"
    ranks = [start_rank(n, 4, config, counter, **shared) for n in (3, 2, 1, 0)]
    outputs = [rank.communicate(timeout=200) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * 4, outputs
    results = [json.loads(output) for output, _ in outputs]
    assert results == [{"path": "/checkpoints/base", "inputs": ["base:v1"]}] * 4
    assert counter.read_text() == "0 base:latest\n"


def test_when_rank_0_fails_every_rank_fails_with_its_error(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    config["run"]["model"] = "absent:latest"
    run_dir = {"NEMOTRON_RUN_DIR": str(tmp_path / "run"), "NEMOTRON_RESOLVE_TIMEOUT_S": "600"}
    ranks = [start_rank(n, 3, config, tmp_path / "counter", **run_dir) for n in (2, 1, 0)]
    outputs = [rank.communicate(timeout=200) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [1, 1, 1]
    for _, errors in outputs:
        assert "No artifact is named 'absent'" in errors
    assert "error: rank 2: Rank 0 failed: " in outputs[0][1]


def test_a_job_that_starts_again_reads_the_same_inputs(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    def run(attempt: str) -> str:
        extra = {
            "NEMOTRON_RUN_DIR": str(tmp_path / "run"),
            "SLURM_JOB_ID": "7",
            "SLURM_RESTART_COUNT": attempt,
            "MASTER_ADDR": f"node-{attempt}",
        }
        rank = start_rank(0, 2, config, tmp_path / "counter", **extra)
        output, errors = rank.communicate(timeout=200)
        assert rank.returncode == 0, errors
        path: str = json.loads(output)["path"]
        return path

    first = run("0")
    newer = ModelArtifact(path=Path("/checkpoints/newer"), step=2)
    store = ManifestTracker(tmp_path / "artifacts")
    store.log(newer, name="base", lineage=Lineage())
    assert run("1") == first == "/checkpoints/base"


def test_a_rank_0_that_never_answers_is_given_up(tmp_path: Path) -> None:
    environ = {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "NEMOTRON_RUN_DIR": str(tmp_path),
        "NEMOTRON_RESOLVE_TIMEOUT_S": "0.1",
    }
    with pytest.raises(CoordinationError, match=r"rank 1, .*Rank 0 gave no answer in 0\.1 s"):
        once_per_job("topic", lambda: 1, environ=environ)


def test_an_earlier_failure_does_not_stop_the_next_attempt(tmp_path: Path) -> None:
    environ = {"RANK": "0", "WORLD_SIZE": "2", "NEMOTRON_RUN_DIR": str(tmp_path)}

    def fail() -> None:
        raise ZeroDivisionError("first")

    with pytest.raises(ZeroDivisionError, match="first"):
        once_per_job("topic", fail, environ=environ)
    waiter = environ | {"RANK": "1"}
    with pytest.raises(CoordinationError, match="Rank 0 failed: ZeroDivisionError: first"):
        once_per_job("topic", fail, environ=waiter)
    assert once_per_job("topic", lambda: 2, environ=environ) == 2
    assert once_per_job("topic", fail, environ=waiter) == 2


def test_a_single_process_leaves_no_files(tmp_path: Path) -> None:
    assert once_per_job("topic", lambda: 1, environ={"NEMOTRON_RUN_DIR": str(tmp_path)}) == 1
    assert not list(tmp_path.iterdir())


def test_the_rank_is_torchruns_else_slurms() -> None:
    slurm = {"SLURM_PROCID": "3", "SLURM_NTASKS": "8"}
    assert Rank.from_environment(slurm) == Rank(3, 8)
    assert Rank.from_environment(slurm | {"RANK": "1", "WORLD_SIZE": "2"}) == Rank(1, 2)
    assert Rank.from_environment({}) == Rank(0, 1)
    with pytest.raises(CoordinationError, match="RANK is 'x', which is no number"):
        Rank.from_environment({"RANK": "x", "WORLD_SIZE": "2"})
    with pytest.raises(CoordinationError, match="NEMOTRON_RESOLVE_TIMEOUT_S is 'soon'"):
        once_per_job(
            "t",
            lambda: 1,
            environ={
                "RANK": "1",
                "WORLD_SIZE": "2",
                "SLURM_JOB_ID": "7",
                "NEMOTRON_RESOLVE_TIMEOUT_S": "soon",
            },
        )


def test_a_job_is_told_from_a_laptop() -> None:
    assert in_scheduled_job({"SLURM_JOB_ID": "7"})
    assert not in_scheduled_job({"HOME": "/root"})


def test_slurm_ranks_of_several_machines_meet_in_the_working_directory(tmp_path: Path) -> None:
    job = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "NEMOTRON_RESOLVE_TIMEOUT_S": "60"}
    assert once_per_job("t", lambda: "v1", environ={**job, "SLURM_PROCID": "0"}) == "v1"
    assert list((tmp_path / ".nemotron" / "coordination").iterdir())
    assert once_per_job("t", lambda: "v2", environ={**job, "SLURM_PROCID": "1"}) == "v1"


@pytest.mark.parametrize("job_id", [{}, {"TORCHELASTIC_RUN_ID": "none"}])
def test_a_job_without_an_id_never_takes_over_an_earlier_result(job_id: dict[str, str]) -> None:
    environ = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", **job_id}
    with pytest.raises(CoordinationError, match="Set NEMOTRON_RUN_DIR to a folder of this job"):
        once_per_job("t", lambda: "v1", environ=environ)


def test_a_result_that_cannot_be_published_is_a_failure_of_every_rank(tmp_path: Path) -> None:
    job = {"WORLD_SIZE": "2", "NEMOTRON_RUN_DIR": str(tmp_path / "run")}
    with pytest.raises(TypeError, match="not JSON serializable"):
        once_per_job("t", object, environ={**job, "RANK": "0"})
    with pytest.raises(CoordinationError, match="Rank 0 failed: TypeError"):
        once_per_job("t", object, environ={**job, "RANK": "1"})


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_run_directory_that_is_none_is_one_sentence(tmp_path: Path, rank: str) -> None:
    (tmp_path / "run").touch()
    job = {"RANK": rank, "WORLD_SIZE": "2", "NEMOTRON_RUN_DIR": str(tmp_path / "run")}
    with pytest.raises(CoordinationError, match="The ranks cannot share a result: Not a direc"):
        once_per_job("t", lambda: 1, environ=job)


def test_empty_variables_are_no_job() -> None:
    assert Rank.from_environment({"RANK": "", "WORLD_SIZE": ""}) == Rank(0, 1)


KILLED = """
import sys
from nemo_runspec.distributed import once_per_job

def work():
    sys.stdout.write("working\\n")
    sys.stdout.flush()
    sys.stdin.read()

sys.stdout.write("started\\n")
sys.stdout.flush()
once_per_job("t", work)
"""


def test_when_rank_0_is_killed_no_rank_waits_for_it(tmp_path: Path) -> None:
    def start(rank: int) -> subprocess.Popen[str]:
        job = {"RANK": str(rank), "WORLD_SIZE": "2", "NEMOTRON_RUN_DIR": str(tmp_path / "run")}
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", KILLED]
        return subprocess.Popen(
            command, env=os.environ | job, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    heartbeats = tmp_path / "run" / ".coordination"
    with start(0) as first, start(1) as second:
        assert first.stdout is not None
        assert second.stdout is not None
        assert [first.stdout.readline() for _ in range(2)] == ["started\n", "working\n"]
        assert second.stdout.readline() == "started\n"
        seen = set[str]()
        while len(seen) < 4:
            seen |= {file.read_text() for file in heartbeats.glob("*.heartbeat")}
        first.kill()
        _, errors = second.communicate(timeout=200)
    assert second.returncode == 1
    assert "Rank 0 has given no sign of life" in errors
