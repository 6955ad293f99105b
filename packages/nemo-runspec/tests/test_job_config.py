from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from nemo_runspec import parse
from nemo_runspec.config import (
    build_job_config,
    config_digest,
    extract_train_config,
    save_configs,
)
from nemo_runspec.errors import ConfigError, ExecutionError, ProfileError

HEADER = """\
# /// script
# [tool.runspec]
# schema = "1"
# name = "nano3/sft"
# image = "runspec:1"
# [tool.runspec.env]
# nodes = 1
# gpus_per_node = 8
# env_vars = { A = "runspec", B = "runspec" }
# ///
"""

DEFAULT = """\
run:
  data: nano3-sft-data:v2
recipe:
  path: ${art:data,path}/blend.json
logger:
  project: ${run.wandb.project}
"""

SAMPLE = """\
defaults: [default]
run:
  env:
    gpus_per_node: 4
    env_vars: {B: config}
artifacts:
  wandb: false
"""

ENV = """\
[wandb]
project = "nemotron"
entity = "team"

[artifacts]
wandb = true

[artifacts.manifest]
root = "/lustre/artifacts"

[dlw]
executor = "slurm"
container_image = "profile:2"
gpus_per_node = 2

[dlw.env_vars]
C = "profile"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "train.py").write_text(HEADER)
    (tmp_path / "config" / "default.yaml").write_text(DEFAULT)
    (tmp_path / "config" / "sample.yaml").write_text(SAMPLE)
    return tmp_path


def build(folder: Path, **arguments: Any) -> DictConfig:
    return build_job_config(parse(folder / "train.py"), **arguments)


def raw(config: DictConfig, key: str) -> Any:
    value: Any = OmegaConf.to_container(config, resolve=False)
    for part in key.split("."):
        value = value[part]
    return value


def test_everything_that_is_injected_without_env_toml(folder: Path) -> None:
    job = build(folder)

    assert raw(job, "run.data") == "nano3-sft-data:v2"
    assert raw(job, "run.wandb") == {"project": None, "entity": None}
    assert raw(job, "run.output") == "nano3-sft-model"
    assert raw(job, "run.env") == {
        "container": "runspec:1",
        "nodes": 1,
        "gpus_per_node": 8,
        "env_vars": {"A": "runspec", "B": "runspec"},
    }
    assert raw(job, "artifacts") == {}
    assert raw(job, "recipe.path") == "${art:data,path}/blend.json"
    assert job.logger.project is None


def test_layers_in_their_order(folder: Path) -> None:
    (folder / "env.toml").write_text(ENV)

    job = build(
        folder,
        config_name="sample",
        profile="dlw",
        overrides=["run.env.nodes=16", "run.env.env_vars.D='dot'", "run.wandb.entity=me"],
    )

    assert raw(job, "run.env") == {
        "container": "profile:2",
        "nodes": 16,
        "gpus_per_node": 2,
        "env_vars": {"A": "runspec", "B": "config", "C": "profile", "D": "dot"},
        "executor": "slurm",
    }
    assert raw(job, "run.wandb") == {"project": "nemotron", "entity": "me"}
    assert raw(job, "artifacts") == {"wandb": False, "manifest": {"root": "/lustre/artifacts"}}
    assert raw(job, "run.output") == "nano3-sft-model-sample"
    assert job.logger.project == "nemotron"


@pytest.mark.parametrize("key", ["container", "image", "container_image"])
def test_the_image_has_one_key_whatever_a_layer_calls_it(folder: Path, key: str) -> None:
    job = build(folder, overrides=[f"run.env.{key}='dotlist:3'"])

    assert raw(job, "run.env.container") == "dotlist:3"
    assert set(raw(job, "run.env")) == {"container", "nodes", "gpus_per_node", "env_vars"}
    assert job.run.provenance.image == "dotlist:3"


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ({}, "/default"),
        ({"env": ENV}, "/lustre/artifacts"),
        ({"env": ENV, "variable": "/variable"}, "/variable"),
        ({"env": ENV, "variable": "/variable", "yaml": "/yaml"}, "/yaml"),
        ({"yaml": "/yaml", "dotlist": ["artifacts.manifest.root=/dot"]}, "/dot"),
        ({"yaml": "/yaml", "dotlist": ["artifacts.manifest.root=null"]}, None),
        ({"env": ENV, "variable": "/variable", "yaml": "null"}, None),
        ({"variable": ""}, "/default"),
        ({"dotlist": ["artifacts.wandb=true"]}, "/default"),
        ({"yaml": "/yaml", "dotlist": ["~artifacts.manifest"]}, "/default"),
    ],
)
def test_where_manifests_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], root: str | None
) -> None:
    (folder / "env.toml").write_text(given.get("env", ""))
    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", given.get("variable", ""))
    if "yaml" in given:
        text = f"{DEFAULT}artifacts: {{manifest: {{root: {given['yaml']}}}}}\n"
        (folder / "config" / "default.yaml").write_text(text)

    job = build(folder, default_root="/default", overrides=given.get("dotlist", ()))

    assert raw(job, "artifacts.manifest.root") == root


@pytest.mark.parametrize(
    ("text", "overrides"),
    [("artifacts: null\n", []), ("", ["artifacts=null"]), ("artifacts: {}\n", ["artifacts=null"])],
)
def test_no_artifacts_at_all_is_off(folder: Path, text: str, overrides: list[str]) -> None:
    (folder / "env.toml").write_text(ENV)
    (folder / "config" / "default.yaml").write_text(DEFAULT + text)

    job = build(folder, default_root="/default", overrides=overrides)

    assert raw(job, "artifacts") == {"manifest": {"root": None}, "wandb": False}


def test_an_explicit_null_manifest_is_off(folder: Path) -> None:
    job = build(folder, default_root="/default", overrides=["artifacts.manifest=null"])

    assert raw(job, "artifacts") == {"manifest": None}


def test_an_output_that_is_set_is_kept(folder: Path) -> None:
    assert raw(build(folder, overrides=["run.output=mine"]), "run.output") == "mine"


def test_provenance_says_where_it_comes_from(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", "-C", str(folder), "add", "."], check=True)
    subprocess.run(["git", "-C", str(folder), *identity, "commit", "-qm", "x"], check=True)
    head = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (folder / "untracked").write_text("")
    argv = ["nemotron", "nano3", "sft", "a=${b}", "run.env.HF_TOKEN=abc", "--api-key", "x"]

    provenance = build(folder, config_name="sample", argv=argv).run.provenance

    assert provenance.runspec == "nano3/sft"
    assert provenance.config == "sample"
    assert provenance.config_file == str(folder / "config" / "sample.yaml")
    assert list(provenance.argv) == [*argv[:4], "run.env.HF_TOKEN=***", "--api-key", "***"]
    assert provenance.profile is None
    assert (provenance.git_commit, provenance.git_dirty) == (head, True)
    assert provenance.packages["nemo-runspec"]
    assert provenance.image == "runspec:1"
    assert provenance.config_digest.startswith("sha256:")


def test_a_computed_image_is_referred_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAG", "7")

    job = build(folder, overrides=["run.env.container='img:${oc.env:TAG}'"])

    assert job.run.provenance.image == "img:7"


def test_the_digest_depends_on_the_content_alone(folder: Path) -> None:
    one = build(folder, overrides=["recipe.path=x"], argv=["one"])
    two = build(folder, overrides=["+a=1", "recipe.path=x", "~a"], argv=["two"])
    other = build(folder, overrides=["recipe.path=y"])

    digest = one.run.provenance.config_digest
    assert two.run.provenance.config_digest == digest
    assert other.run.provenance.config_digest != digest
    assert config_digest(one) == digest
    assert config_digest(OmegaConf.create({"b": 1, "a": {1: 2, "x": 3}})) == config_digest(
        OmegaConf.create({"a": {"x": 3, 1: 2}, "b": 1})
    )


def test_groups_of_the_recipe_can_be_chosen(folder: Path) -> None:
    (folder / "config" / "optimizer").mkdir()
    (folder / "config" / "optimizer" / "adam.yaml").write_text("lr: 1\n")
    (folder / "config" / "optimizer" / "sgd.yaml").write_text("lr: 2\n")
    (folder / "config" / "default.yaml").write_text("defaults: [optimizer: adam]\n")

    assert raw(build(folder), "optimizer") == {"lr": 1}
    assert raw(build(folder, overrides=["optimizer=sgd"]), "optimizer") == {"lr": 2}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"config_name": "sampel"}, ConfigError, r"no configuration 'sampel'.*mean 'sample'"),
        ({"overrides": ["recipe.pth=1"]}, ConfigError, r"recipe.pth=1: .*mean 'path'"),
        ({"overrides": ["run.data.x=1"]}, ConfigError, r"'run.data' is the value"),
        ({"profile": "dlx"}, ProfileError, r"no profile 'dlx'.*mean 'dlw'"),
        ({"overrides": ["+x.api_key=abc"]}, ConfigError, r"a secret under 'x.api_key'.*oc.env"),
        ({"overrides": ["run.wandb.api_key=abc"]}, ConfigError, r"under 'run.wandb.api_key'"),
    ],
)
def test_mistakes(
    folder: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    (folder / "env.toml").write_text(ENV)

    with pytest.raises(error, match=message):
        build(folder, **arguments)


def test_a_profile_without_env_toml(folder: Path) -> None:
    with pytest.raises(ProfileError, match=r"no env.toml to find the profile 'dlw'"):
        build(folder, profile="dlw")


def test_a_secret_in_env_toml_is_refused_and_not_shown(folder: Path) -> None:
    (folder / "env.toml").write_text('[p.env_vars]\nHF_TOKEN = "s3cr3t-value"\n')

    with pytest.raises(ConfigError, match=r"env.toml.*'run.env.env_vars.HF_TOKEN'") as caught:
        build(folder, profile="p")

    assert "s3cr3t-value" not in str(caught.value)


def test_sections_that_are_none(folder: Path) -> None:
    (folder / "config" / "default.yaml").write_text("run: 3\n")
    with pytest.raises(ConfigError, match=r"default.yaml: 'run' must be a section"):
        build(folder)

    (folder / "config" / "default.yaml").write_text("run: {env: [1]}\n")
    with pytest.raises(ConfigError, match=r"'env' must be a section"):
        build(folder)

    (folder / "config" / "default.yaml").write_text("x: 1\n")
    for override in ("run.env=text", "run.env=[1]", "run.env=${x}", "run=3", "artifacts=off"):
        with pytest.raises(ConfigError, match=r"^the command line: '\w+' must be a section"):
            build(folder, overrides=[override])


def test_both_configs_are_written_whole(folder: Path) -> None:
    job = build(folder, argv=["naïve ${x}"])
    train = extract_train_config(job)

    files = save_configs(job, train, folder / "runs" / "one")

    assert files == (folder / "runs" / "one" / "job.yaml", folder / "runs" / "one" / "train.yaml")
    assert OmegaConf.load(files[0]) == job
    assert OmegaConf.load(files[1]) == train
    assert sorted(path.name for path in files[0].parent.iterdir()) == ["job.yaml", "train.yaml"]


def test_secrets_are_not_written(folder: Path) -> None:
    config = OmegaConf.create({"a": {"api_key": "s3cr3t-value"}})

    files = save_configs(config, config, folder / "run")

    assert all("s3cr3t-value" not in file.read_text() for file in files)


def test_nothing_is_left_behind_where_it_cannot_be_written(folder: Path) -> None:
    config = OmegaConf.create({})
    run = folder / "run"
    (run / "train.yaml").mkdir(parents=True)

    with pytest.raises(ExecutionError, match=r"run: The job's configuration cannot be written"):
        save_configs(config, config, run)

    assert [path.name for path in run.iterdir()] == ["train.yaml"]
