"""The engines make the same bytes, under the same run ids, and clean up behind them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from preparing import LAB, STAGES, Cluster, Prepare, gone, output, until

Expected = Callable[[str, Path], dict[str, bytes]]


@pytest.mark.parametrize("stage", STAGES)
def test_processes_make_the_bytes_of_a_single_one(
    stage: str, prepare: Prepare, expected: Expected, tmp_path: Path
) -> None:
    prepare(stage, tmp_path / "out", engine="local", workers=2)
    assert output(tmp_path / "out") == expected(stage, tmp_path / "out")


@pytest.mark.parametrize("stage", STAGES)
def test_a_ray_cluster_makes_the_bytes_of_a_single_process(
    stage: str, prepare: Prepare, expected: Expected, cluster: Cluster, tmp_path: Path
) -> None:
    log = prepare(stage, tmp_path / "out", engine="ray", ray_address=cluster.address)
    assert output(tmp_path / "out") == expected(stage, tmp_path / "out")
    assert "WARNING" not in log
    assert "engine=" not in log
    assert "cache hit" in prepare(stage, tmp_path / "out", engine="local")
    assert cluster.nodes[0].poll() is None


def test_the_address_may_come_from_the_environment(
    prepare: Prepare, expected: Expected, cluster: Cluster, tmp_path: Path
) -> None:
    here = replace(prepare, environment={"RAY_ADDRESS": cluster.address})
    here("rl", tmp_path / "out", engine="ray")
    assert output(tmp_path / "out") == expected("rl", tmp_path / "out")
    assert cluster.nodes[0].poll() is None


def test_a_cluster_of_the_runs_own_listens_on_loopback_and_is_gone_afterwards(
    short_folder: Path, tmp_path: Path
) -> None:
    home, temporary = tmp_path / "home", short_folder / "lo"
    for folder in (home, temporary):
        folder.mkdir()
    environment = {name: text for name, text in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(LAB / "listening.py"), str(tmp_path / "out")],
        env={**environment, "HOME": str(home), "TMPDIR": str(temporary)},
        check=True,
        capture_output=True,
        text=True,
        timeout=200,
    )
    report = json.loads(done.stdout)
    assert done.stderr == ""
    assert report["processes"] >= 3
    assert report["addresses"] == ["127.0.0.1"]
    assert not report["dashboard"]
    assert not report["settings_left_behind"]
    assert list(home.iterdir()) == []
    assert list(temporary.iterdir()) == []
    until(lambda: all(map(gone, report["pids"])), lambda: f"left over: {report['pids']}")
