"""Where a job that is submitted from a folder writes what is relative to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nemo_runspec.execution import RecipePlan, RecipeRequest, plan_recipe
from nemo_runspec.runspec import parse

HEADER = '# /// script\n# [tool.runspec]\n# schema = "1"\n# name = "demo/prep"\n# ///\n'
SSH = 'executor = "slurm"\nhost = "login"\nremote_job_dir = "/lustre/me"\n'
IMAGE = 'container_image = "/images/nemo.sqsh"\n'


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def planned(folder: Path, profile: str, output: str = "output/x") -> RecipePlan:
    (folder / "prep.py").write_text(HEADER)
    (folder / "config").mkdir()
    config = f'output_dir: "{output}"\nlog: ${{output_dir}}/log.txt\n'
    (folder / "config" / "default.yaml").write_text(config)
    (folder / "env.toml").write_text(f"[here]\n{profile.format(cwd=folder)}")
    recipe = parse(folder / "prep.py")
    return plan_recipe(RecipeRequest(recipe, cwd=folder, profile="here"))


@pytest.mark.parametrize(
    ("profile", "folder"),
    [
        ('executor = "local"\n', "output/x"),
        ('executor = "slurm"\n', "{cwd}/output/x"),
        (SSH, "/lustre/me/output/x"),
        (f'{SSH}{IMAGE}mounts = ["/lustre"]\n', "/lustre/me/output/x"),
        (f'executor = "slurm"\n{IMAGE}mounts = ["{{cwd}}:{{cwd}}"]\n', "{cwd}/output/x"),
    ],
)
def test_the_next_job_finds_what_was_made(tmp_path: Path, profile: str, folder: str) -> None:
    plan = planned(tmp_path, profile)

    expected = folder.format(cwd=tmp_path)
    assert (plan.train.output_dir, plan.train.log) == (expected, f"{expected}/log.txt")
    assert plan.job.output_dir == expected
    assert not [told for told in plan.checked.warnings if "output_dir" in told]


@pytest.mark.parametrize(
    "profile",
    [
        f"{SSH}{IMAGE}",
        f'{SSH}{IMAGE}mounts = ["/lustre/data", "/lustre:/elsewhere"]\n',
        f'executor = "slurm"\n{IMAGE}',
        'executor = "docker"\ncontainer_image = "nemo:1"\n',
        'executor = "skypilot"\ncontainer_image = "nemo:1"\n',
    ],
)
def test_a_folder_that_only_the_job_has_is_told(tmp_path: Path, profile: str) -> None:
    plan = planned(tmp_path, profile)

    assert plan.train.output_dir == "output/x"
    told = [told for told in plan.checked.warnings if "output_dir" in told]
    assert told == [
        (
            "output_dir=output/x lies in the job's own folder, where no other job finds it. Name a "
            "folder that the job's container mounts to use what was prepared before."
        )
    ]


@pytest.mark.parametrize("output", ["/data/x", "s3://bucket/x", "~/x", "${oc.env:DATA,here}/x"])
def test_what_says_itself_where_it_is_stays(tmp_path: Path, output: str) -> None:
    plan = planned(tmp_path, f"{SSH}{IMAGE}", output)

    written = OmegaConf.to_container(plan.train, resolve=False)
    assert isinstance(written, dict)
    assert written["output_dir"] == output
    assert not [told for told in plan.checked.warnings if "output_dir" in told]
