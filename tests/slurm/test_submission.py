"""Jobs that are submitted for real: sent, run, and known by their record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from slurm_cluster import SlurmCluster

from nemo_runspec.execution import RecipePlan, RecipeRequest, plan_recipe
from nemo_runspec.execution.profiles import SlurmProfile, read_profile
from nemo_runspec.execution.submission import PreparedSubmission, prepare_submission, submit
from nemo_runspec.runspec import parse

KEY = "0123456789abcdef0123456789abcdef01234567"
NASTY = "two\nlines 'single' \"double\" $HOME `x` \\ ünï"

SCRIPT = """\
# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/{packager}/train"
# [tool.runspec.run]
# launch = "direct"
# cmd = "python {{script}} --config {{config}}"
# packager = "{packager}"
# [tool.runspec.config]
# dir = "config"
# default = "default"
# ///
import json
import os
import sys

import yaml

config = yaml.safe_load(open(sys.argv[2]))
found = {{"config": config["steps"], "environment": dict(os.environ), "cwd": os.getcwd()}}
name = os.path.join(os.environ["NEMOTRON_RUN_DIR"], "seen-" + os.environ["RANK"] + ".json")
with open(name, "w") as stream:
    json.dump(found, stream)
print("steps", config["steps"], flush=True)
sys.exit(config["code"])
"""

ENV = """
[lab]
executor = "slurm"
account = "research"
time = "00:05:00"
{more}

[lab.env_vars]
lower_case = "as it is"
NASTY = {nasty}
DEMO_API_KEY = "${{oc.env:DEMO_API_KEY}}"
"""


@pytest.fixture(params=["local", "ssh"])
def workplace(
    request: pytest.FixtureRequest,
    cluster: SlurmCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder with an env.toml whose profile leads to the cluster, here or over ssh."""
    ssh = f'host = "lab"\nremote_job_dir = "{tmp_path}/far"'
    more = ssh if request.param == "ssh" else ""
    folder = tmp_path / "work"
    folder.mkdir()
    content = ENV.format(more=more, nasty=json.dumps(NASTY))
    (folder / "env.toml").write_text(content)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DEMO_API_KEY", KEY)
    monkeypatch.setenv("LEAKING", "from the shell that submits")
    return folder


def make_plan(folder: Path, *overrides: str, packager: str = "self_contained") -> RecipePlan:
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config/default.yaml").write_text("steps: 3\ncode: 0\n")
    script = folder / "train.py"
    script.write_text(SCRIPT.format(packager=packager))
    recipe = parse(script)
    return plan_recipe(
        RecipeRequest(recipe, overrides=overrides, cwd=folder, recipes=(recipe,), profile="lab")
    )


def prepare(folder: Path, *overrides: str, packager: str = "self_contained") -> PreparedSubmission:
    plan = make_plan(folder, *overrides, packager=packager)
    profile = read_profile(plan.job, plan.recipe, name="lab")
    assert isinstance(profile, SlurmProfile)
    run_dir = folder / ".nemotron/runs/demo/one"
    return prepare_submission(plan, profile, mode="batch", folder=run_dir)


@pytest.mark.parametrize("packager", ["self_contained", "code", "none"])
def test_a_job_runs_with_its_configuration_and_its_variables(
    cluster: SlurmCluster, workplace: Path, packager: str
) -> None:
    record = submit(prepare(workplace, "steps=7", packager=packager))

    assert cluster.wait_for(record.scheduler_id or "") == "COMPLETED"
    job_dir = Path(record.job_dir)
    seen = json.loads((job_dir / "seen-0.json").read_text())
    environment = seen["environment"]
    assert seen["config"] == 7
    assert environment["NASTY"] == NASTY
    assert environment["lower_case"] == "as it is"
    assert environment["DEMO_API_KEY"] == KEY
    assert "LEAKING" not in environment
    assert environment["NEMOTRON_RUN_DIR"] == environment["NEMO_RUN_DIR"] == record.job_dir
    assert (job_dir / "exit_code").read_text() == "0\n"
    logs = list(Path("/").glob(record.log_pattern[1:]))
    assert [log.read_text() for log in logs] == ["steps 7\n"]
