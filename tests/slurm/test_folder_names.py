"""Folders whose names NeMo-Run would stumble over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from slurm_cluster import SlurmCluster
from slurm_recipes import KEY, over_ssh, prepare, write_profile

from nemo_runspec.execution.submission import submit


@pytest.mark.parametrize(
    ("name", "tunnel"),
    [("nemo_runs", "local"), ("my proj'ü", "ssh")],
    ids=["that of NeMo-Run", "as its user likes"],
)
def test_a_folder_may_be_called(
    cluster: SlurmCluster,
    name: str,
    tunnel: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    write_profile(folder, *(over_ssh(tmp_path / "nemo_run") if tunnel == "ssh" else ()))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DEMO_API_KEY", KEY)
    record = submit(prepare(folder))
    assert cluster.wait_for(record.scheduler_id or "") == "COMPLETED"
    seen = json.loads(Path(record.job_dir, "seen-0.json").read_text())
    assert seen["main"] == f"{record.job_dir}/code/main.py"
    assert Path(record.job_dir, "exit_code").read_text() == "0\n"
    assert not Path("/nemotron-folder-of-jobs").exists()
