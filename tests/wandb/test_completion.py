"""What a job's last panel says of W&B: its pages, or what waits and how it is delivered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nemotron.cli.main import main

RECIPE = """
# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/data/prep/sft"
# docs = "Write a little data."
# [tool.runspec.artifacts]
# writes = "Artifact"
# ///
from pathlib import Path

from nemo_runspec.artifacts import Artifact, log_artifact, setup_artifact_tracking
from nemo_runspec.config import load_omegaconf_yaml, parse_config_and_overrides
from nemo_runspec.script import script_main
from nemotron_kit_wandb import finish_run, init_wandb_from_env


def main() -> None:
    path, _ = parse_config_and_overrides()
    tracking = setup_artifact_tracking(load_omegaconf_yaml(path))
    init_wandb_from_env(job_type="data-prep")
    Path("data").mkdir(exist_ok=True)
    log_artifact(Artifact(path=Path("data").absolute()), tracking)
    finish_run()


if __name__ == "__main__":
    script_main(main)
"""


@pytest.fixture
def prep(server, own_world, monkeypatch, capfd):
    folder = own_world / "recipes" / "demo"
    (folder / "config").mkdir(parents=True)
    (folder / "prep.py").write_text(RECIPE, "utf-8")
    config = "artifacts:\n  manifest:\n    root: store\n  wandb: true\n"
    (folder / "config" / "default.yaml").write_text(config, "utf-8")
    env = '[wandb]\nproject = "nemotron"\nentity = "team"\n\n[laptop]\nexecutor = "local"\n'
    (own_world / "env.toml").write_text(env, "utf-8")
    monkeypatch.setenv("NEMOTRON_RECIPES", str(own_world / "recipes"))

    def run(*words):
        capfd.readouterr()
        code = main(["demo", "data", "prep", "sft", *words])
        out, err = capfd.readouterr()
        assert code == 0, err
        return out

    return run


each_way = pytest.mark.parametrize("way", [(), ("--run", "laptop")], ids=["here", "as a job"])


@each_way
def test_the_panel_has_the_page(server, prep, way):
    out = prep(*way)
    assert f"W&B: {server.url}/team/nemotron/artifacts/" in " ".join(out.split())
    assert "pending" not in out


@each_way
def test_the_panel_says_what_waits_and_the_command_that_delivers_it(server, prep, own_world, way):
    server.down()
    out = prep(*way)
    (run_dir,) = Path(".nemotron/runs/demo-data-prep-sft").iterdir()
    assert "2 records pending; deliver with:" in out
    assert f"nemotron artifacts sync {run_dir}" in out
    server.up()
    assert main(["artifacts", "sync", str(run_dir), "--quiet"]) == 0
    assert main(["artifacts", "sync", str(run_dir), "--dry-run", "--quiet"]) == 0


def test_the_document_has_both(server, prep):
    done = json.loads(prep("--json"))["wandb"]
    assert list(done["delivered"]) == ["demo-sft-data:v1"]
    assert (done["pending"], done["sync_command"]) == ([], None)
    server.down()
    done = json.loads(prep("--json"))["wandb"]
    assert (done["delivered"], len(done["pending"])) == ({}, 2)
    assert done["sync_command"].startswith("nemotron artifacts sync .nemotron/runs/demo")


def test_without_w_and_b_the_document_says_nothing_of_it(server, prep):
    assert json.loads(prep("--json", "artifacts.wandb=false"))["wandb"] is None
    assert server.served == []
