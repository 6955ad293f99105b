"""A profile's `ray_address`: what the command starts joins that cluster, with its variables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from preparing import Cluster

from nemotron.cli.main import main

ROOT = Path(__file__).parents[2]
AWKWARD = 'it\'s "so" $HOME\nünï'
DRIVER = """\
# /// script
# dependencies = ["ray"]
# [tool.runspec]
# schema = "1"
# name = "demo/drive"
# [tool.runspec.run]
# launch = "ray"
# ///
import json
import os

import ray

ray.init()


@ray.remote
def look():
    return dict(os.environ)


place = ray.get_runtime_context().gcs_address
with open("seen.json", "w") as stream:
    json.dump({"cluster": place, "worker": ray.get(look.remote())}, stream)
"""


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEMO_API_KEY", "k" * 40)
    lines = (
        "[lab]",
        'executor = "local"',
        f'ray_address = "{cluster.address}"',
        "[lab.env_vars]",
        f"AWKWARD = {json.dumps(AWKWARD)}",
        'DEMO_API_KEY = "${oc.env:DEMO_API_KEY}"',
    )
    (tmp_path / "env.toml").write_text("\n".join(lines))
    (tmp_path / "recipes/config").mkdir(parents=True)
    (tmp_path / "recipes/config/default.yaml").write_text("steps: 1\n")
    (tmp_path / "recipes/drive.py").write_text(DRIVER)
    return tmp_path


def test_a_driver_joins_it_and_its_workers_have_the_variables(
    workplace: Path, cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(["demo", "drive", "--run", "lab"])
    assert code == 0, capfd.readouterr()
    seen = json.loads((workplace / "seen.json").read_text())
    assert seen["cluster"] == cluster.address
    assert seen["worker"]["AWKWARD"] == AWKWARD
    assert seen["worker"]["DEMO_API_KEY"] == "k" * 40
    assert main(["demo", "drive", "--batch", "lab", "--dry-run"]) == 0
    assert f"export RAY_ADDRESS={cluster.address}\n" in capfd.readouterr().out


def test_data_is_prepared_on_it_and_nowhere_else(
    workplace: Path,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NEMOTRON_RECIPES", str(ROOT / "recipes"))
    words = ("nano3", "data", "prep", "sft", "-c", "sample", "--run", "lab", "engine=ray")
    logs = cluster.folder / "session_latest/logs"
    before = set(logs.glob("python-core-driver-*"))

    code = main([*words, f"output_dir={workplace}/out"])

    said = capfd.readouterr()
    assert code == 0, said.out + said.err
    assert len(set(logs.glob("python-core-driver-*")) - before) == 1

    elsewhere = "run.env.ray_address=127.0.0.1:1"
    assert main([*words, f"output_dir={workplace}/other", elsewhere]) != 0
    said = capfd.readouterr()
    assert "No Ray cluster can be used at 127.0.0.1:1" in said.out + said.err
