"""What a tracking backend says before a job starts, and what becomes of it."""

from __future__ import annotations

import json
import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nemo_runspec.artifacts import backends, setup_artifact_tracking
from nemo_runspec.artifacts.backends import Preflight, SimpleBackend, register_tracker
from nemo_runspec.artifacts.job_run import job_run
from nemo_runspec.errors import ExecutionError, MissingDependencyError, UsageError
from nemo_runspec.execution import ChildStreams, RecipeRequest, plan_recipe, run_recipe
from nemo_runspec.execution.backend_check import check_backends
from nemo_runspec.runspec import parse

RECIPE = """
# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/sft"
# ///
import json, os
json.dump({key: os.environ[key] for key in os.environ if key[:6] == "CHECK_"}, open("seen", "w"))
"""
SECRET = "s" * 40


class Service(SimpleBackend):
    """A backend whose words are the test's."""

    def __init__(self, said=None):
        super().__init__(lambda: self)
        self.said = said
        self.asked = []
        self.runs = []

    def preflight(self, settings):
        self.asked.append(dict(settings))
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def advice(self):
        return ("A key was found.",)

    def job_run(self, settings, job_type):
        self.runs.append((dict(settings), job_type))
        return nullcontext()


@pytest.fixture
def offer(monkeypatch, tmp_path):
    """Offer a backend, and nothing but it."""
    monkeypatch.setattr(backends, "_registered", {})
    monkeypatch.setattr(backends, "entry_points", lambda **_: ())
    for name in ("NEMOTRON_ARTIFACTS_ROOT", "NEMOTRON_ENV", "NEMOTRON_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_PROJECT", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def put(service):
        register_tracker("wandb", service)
        return service

    return put


def job(*, wandb=True, root="artifacts"):
    section = {"manifest": {"root": root}} | ({} if wandb is None else {"wandb": wandb})
    return OmegaConf.create({"run": {}, "artifacts": section})


def of_project(config):
    return OmegaConf.merge(config, {"run": {"wandb": {"project": "p", "entity": None}}})


def test_a_backend_is_asked_with_its_own_section(offer):
    service = offer(Service(Preflight(warnings=("Mind the gap.",), environment={"A": "b"})))
    checked = check_backends(of_project(job()))
    assert service.asked == [{"project": "p"}]
    assert (checked.warnings, dict(checked.environment)) == (("Mind the gap.",), {"A": "b"})


@pytest.mark.parametrize(("wandb", "advised"), [(None, True), (False, False)])
def test_where_it_is_off_it_only_advises_who_said_nothing(offer, wandb, advised):
    service = offer(Service())
    assert check_backends(job(wandb=wandb)).warnings == (("A key was found.",) if advised else ())
    assert service.asked == []


def test_without_a_backend_nothing_is_advised(offer):
    assert check_backends(job(wandb=None)) == Preflight()


def test_a_backend_that_only_makes_trackers_says_nothing(offer):
    offer(SimpleBackend(lambda: None))
    assert check_backends(job(wandb=None)) == Preflight()
    assert check_backends(job()) == Preflight()


def test_a_backend_that_is_not_installed_is_one_sentence(offer):
    with pytest.raises(MissingDependencyError, match=r"artifacts\.wandb is true, but no installed"):
        check_backends(job())


def test_beside_manifests_an_outage_is_a_warning(offer):
    offer(Service(Preflight(unreachable="It is away.", environment={"A": "b"})))
    checked = check_backends(job())
    (warning,) = checked.warnings
    assert warning.startswith("It is away. What is recorded waits in the run directory")
    assert warning.endswith(" until `nemotron artifacts sync` delivers it.")
    assert dict(checked.environment) == {"A": "b"}


def test_alone_an_outage_is_an_error(offer):
    offer(Service(Preflight(unreachable="It is away.")))
    with pytest.raises(ExecutionError, match=r"It is away\. Try again when it answers, or record"):
        check_backends(job(root=None))


@pytest.fixture
def request_of(tmp_path):
    script = tmp_path / "recipe.py"
    script.write_text(RECIPE.lstrip("\n"), "utf-8")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "default.yaml").write_text("x: 1\n", "utf-8")

    def make(*overrides):
        return RecipeRequest(parse(script), overrides=overrides, cwd=tmp_path)

    return make


def test_the_script_gets_the_variables_and_no_file_does(offer, request_of, tmp_path):
    offer(Service(Preflight(environment={"CHECK_KEY": SECRET})))
    plan = plan_recipe(request_of("+artifacts.wandb=true"))
    assert SECRET not in repr(plan)
    quiet = ChildStreams(subprocess.DEVNULL, None)
    outcome = run_recipe(
        plan, announce=lambda _: None, streams=quiet, environment={"CHECK_KEY": "mine"}
    )
    assert outcome.exit_code == 0
    assert json.loads(Path("seen").read_text("utf-8")) == {"CHECK_KEY": SECRET}
    Path("seen").unlink()
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not [file for file in written if SECRET in file.read_text("utf-8", "replace")]


def test_a_refusal_comes_before_references_are_looked_up(offer, request_of, tmp_path):
    offer(Service(UsageError("The key is wrong.")))
    with pytest.raises(UsageError, match="The key is wrong"):
        plan_recipe(request_of("+artifacts.wandb=true", "+run.data=gone:latest"))
    assert not (tmp_path / ".nemotron").exists()


def test_a_job_is_a_run_of_the_backend_where_that_is_on(offer):
    service = offer(Service())
    for wandb in (True, False):
        config = of_project(job(wandb=wandb))
        with setup_artifact_tracking(config) as tracking, job_run(tracking, "data-prep"):
            pass
    assert service.runs == [({"project": "p"}, "data-prep")]


def test_a_backend_without_runs_is_no_hindrance(offer):
    offer(SimpleBackend(Service))
    with setup_artifact_tracking(job()) as tracking, job_run(tracking, "data-prep"):
        assert tracking.wandb
