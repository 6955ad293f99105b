"""What of a submission needs neither a cluster nor NeMo-Run."""

from __future__ import annotations

import base64
import json
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from nemo_runspec.errors import ExecutionError, MissingDependencyError, ProfileError
from nemo_runspec.execution import RecipeRequest, plan_recipe
from nemo_runspec.execution.nemo_run.relayed_errors import heard, told
from nemo_runspec.execution.nemo_run.request import (
    RenderRequest,
    as_json,
    read_request,
    read_requests,
)
from nemo_runspec.execution.nemo_run.scrubbing import scrub
from nemo_runspec.execution.profiles import LeptonProfile, SlurmProfile
from nemo_runspec.execution.submission import prepare_submission
from nemo_runspec.execution.submission.model import JobPlace
from nemo_runspec.execution.submission.refusals import explain_refusal
from nemo_runspec.runspec import parse

KEY = "0123456789abcdef0123456789abcdef01234567"
RECIPE = """\
# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/train"
# ///
"""
PROFILE = SlurmProfile(name="lab", account="research", time="9-00", qos="high")


def place(base: str = "/lustre/me/jobs") -> JobPlace:
    return JobPlace(
        base=base, title="demo", stamp="20260101T000000Z-ab", task="demo-train", contained=False
    )


def test_where_a_job_lies() -> None:
    there = place()

    assert there.job_dir == "/lustre/me/jobs/demo/demo_20260101T000000Z-ab/demo-train"
    assert there.script == f"{there.experiment_dir}/demo-train_sbatch.sh"
    assert there.seen_code_dir == f"{there.job_dir}/code"


@pytest.mark.parametrize("base", ["~/jobs", "jobs", "/a b", "/a;b", "/a$HOME", "/a%j", "/a:b"])
def test_a_folder_that_a_shell_would_read_otherwise_is_refused(base: str) -> None:
    with pytest.raises(ProfileError, match="cannot be a folder of jobs"):
        place(base)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "sbatch: error: Batch job submission failed: Invalid partition name specified",
            "There is no partition 'nights' on lab",
        ),
        (
            "Batch job submission failed: Invalid account or account/partition combination",
            "The account 'research' may not use the partition 'nights' on lab",
        ),
        ("sbatch: error: Invalid qos specification", "no quality of service 'high'"),
        (
            "sbatch: error: Requested time limit is invalid (missing or exceeds some limit)",
            "'9-00'",
        ),
        (
            "sbatch: error: Requested node configuration is not available",
            "fit the job: Requested node configuration is not available",
        ),
        ("/bin/sh: 3: sbatch: not found", "There is no sbatch on lab"),
        ("sbatch: error: Unable to contact slurm controller (connect failure)", "does not answer"),
        ("sbatch: unrecognized option '--segment=4'", "does not know an option"),
        ("sbatch: error: Batch job submission failed: Job violates policy", "violates policy"),
        ("", "refuses the job: no reason given"),
    ],
)
def test_what_slurm_refuses(said: str, told: str) -> None:
    with pytest.raises(ExecutionError, match=told):
        raise explain_refusal(PROFILE, "nights", "lab", said)


def test_a_request_is_read_as_it_was_written() -> None:
    profile = LeptonProfile(
        name="cloud",
        storage_mounts=({"path": "/a", "mount_path": "/b"},),
        startup_commands=("echo 'a b' $HOME",),
        env_vars={"A": "ünï\n$"},
    )
    request = RenderRequest(
        profile=profile,
        mode="batch",
        title="t",
        id="t_1",
        task="t",
        tunnel_dir="/x",
        launch="/nemo_run/code/launch.sh",
        secret_names=("A_TOKEN",),
    )

    assert read_request(request.to_json()) == request
    later = replace(request, task="u", after=("t",))
    assert read_requests(as_json([request, later])) == (request, later)


def test_an_error_of_ours_comes_out_of_the_other_process(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit), told():
        raise ProfileError("Something is missing.", where="env.toml:3", hint="Write it.")

    error = heard(capsys.readouterr().err)
    assert isinstance(error, ProfileError)
    assert str(error) == "env.toml:3: Something is missing. Write it."
    assert heard("Traceback\nValueError: x\n") is None


def packed(text: str) -> str:
    return base64.urlsafe_b64encode(zlib.compress(text.encode())).decode()


@pytest.mark.parametrize(
    ("content", "masked"),
    [
        (f"export A_TOKEN={KEY}\n", "export A_TOKEN=***\n"),
        (json.dumps({"job": packed(KEY * 9)}), json.dumps({"job": packed("***" * 9)})),
    ],
)
def test_secrets_in_files_are_masked_and_other_files_stay(
    tmp_path: Path, content: str, masked: str
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/telling").write_text(content)
    (tmp_path / "deep/quiet").write_text("x" * 80)

    assert scrub(tmp_path, [KEY, ""]) == (tmp_path / "deep/telling",)
    assert (tmp_path / "deep/telling").read_text() == masked
    assert (tmp_path / "deep/quiet").read_text() == "x" * 80
    assert scrub(tmp_path, [KEY]) == ()


def test_a_secret_that_is_written_quoted_or_as_json_is_found(tmp_path: Path) -> None:
    value = 'it\'s "two"\nlines'
    (tmp_path / "a.json").write_text(json.dumps({"A": value}))
    (tmp_path / "b.sh").write_text("export A='it'\"'\"'s \"two\"\nlines'\n")

    assert [file.name for file in scrub(tmp_path, [value])] == ["a.json", "b.sh"]
    assert json.loads((tmp_path / "a.json").read_text()) == {"A": "***"}
    assert (tmp_path / "b.sh").read_text() == "export A=***\n"


def test_nemo_run_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nemo_run", None)
    script = tmp_path / "train.py"
    script.write_text(RECIPE)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/default.yaml").write_text("a: 1\n")
    recipe = parse(script)
    plan = plan_recipe(RecipeRequest(recipe, cwd=tmp_path, recipes=(recipe,)))

    with pytest.raises(MissingDependencyError, match="NeMo-Run, which is not installed") as caught:
        prepare_submission(plan, PROFILE, mode="batch", folder=tmp_path / "run")

    assert "pip install 'nemo-runspec[run]'" in str(caught.value)
    assert not (tmp_path / "run").exists()
