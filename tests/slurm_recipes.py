"""Small recipes, and profiles that lead to the test cluster, for tests that submit jobs."""

from __future__ import annotations

import json
from pathlib import Path

from nemo_runspec.execution import RecipePlan, RecipeRequest, plan_recipe
from nemo_runspec.execution.profiles import SlurmProfile, read_profile
from nemo_runspec.execution.submission import Mode, PreparedSubmission, prepare_submission
from nemo_runspec.runspec import parse

PROFILE = "lab"
KEY = "0123456789abcdef0123456789abcdef01234567"
LITERAL = "written out"
NASTY = "two\nlines 'single' \"double\" $HOME `x` \\ ünï"

# Writes down what each of its processes sees, and ends as its configuration says.
SCRIPT = """\
# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/train"
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
found = {{"steps": config["steps"], "environment": dict(os.environ), "cwd": os.getcwd()}}
found["main"] = os.path.abspath(sys.argv[0])
name = os.path.join(os.environ["NEMOTRON_RUN_DIR"], "seen-" + os.environ["RANK"] + ".json")
with open(name, "w") as stream:
    json.dump(found, stream)
print("steps", config["steps"], flush=True)
sys.exit(config["code"])
"""

_ENV = """\
[{name}]
executor = "slurm"
account = "research"
time = "00:05:00"
{more}

[{name}.env_vars]
lower_case = "as it is"
NASTY = {nasty}
DEMO_API_KEY = "${{oc.env:DEMO_API_KEY}}"
A_TOKEN = "{literal}"
"""


def write_profile(folder: Path, *lines: str) -> None:
    """Write an env.toml with one profile; more lines of it may be given."""
    content = _ENV.format(
        name=PROFILE, more="\n".join(lines), nasty=json.dumps(NASTY), literal=LITERAL
    )
    (folder / "env.toml").write_text(content)


def over_ssh(folder: Path) -> tuple[str, ...]:
    """The lines of a profile whose jobs go to the login node."""
    return ('host = "lab"', f'remote_job_dir = "{folder}"')


def make_plan(
    folder: Path, *overrides: str, packager: str = "self_contained", script: str = SCRIPT
) -> RecipePlan:
    """Write a recipe into a folder, and plan it with the profile of that folder."""
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config/default.yaml").write_text("steps: 3\ncode: 0\n")
    file = folder / "train.py"
    file.write_text(script.format(packager=packager))
    recipe = parse(file)
    return plan_recipe(
        RecipeRequest(recipe, overrides=overrides, cwd=folder, recipes=(recipe,), profile=PROFILE)
    )


def prepare(
    folder: Path,
    *overrides: str,
    packager: str = "self_contained",
    mode: Mode = "batch",
    stamp: str = "one",
) -> PreparedSubmission:
    """Prepare the recipe of :func:`make_plan` in a run directory below the folder."""
    plan = make_plan(folder, *overrides, packager=packager)
    profile = read_profile(plan.job, plan.recipe, name=PROFILE)
    assert isinstance(profile, SlurmProfile)
    run_dir = folder / ".nemotron/runs/demo-train" / stamp
    return prepare_submission(plan, profile, mode=mode, folder=run_dir)
