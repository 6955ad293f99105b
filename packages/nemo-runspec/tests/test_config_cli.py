from __future__ import annotations

import json
import runpy
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from nemo_runspec.artifacts import Lineage, ModelArtifact, SFTDataArtifact, current_tracking
from nemo_runspec.config import cli, parse_config_and_overrides, read_config
from nemo_runspec.errors import ConfigError
from nemo_runspec.manifest_tracker import ManifestTracker

SCRIPT = """\
from dataclasses import asdict, dataclass
from pathlib import Path

from nemo_runspec.config import cli


@dataclass
class Config:
    data_path: Path
    output_dir: Path
    learning_rate: float = 1e-4


config = cli(Config, config_file="config.yaml")
print({name: str(value) for name, value in asdict(config).items()})
"""

CONFIGS = {
    "config.yaml": """\
data_path: /data/pretrain
output_dir: ${oc.env:HOME}/output
learning_rate: 1e-4
""",
    "config.toml": 'data_path = "/data/pretrain"\noutput_dir = "${oc.env:HOME}/output"\n',
    "config.json": '{"data_path": "/data/pretrain", "output_dir": "${oc.env:HOME}/output"}',
}


@dataclass
class Inner:
    lr: float = 1e-4
    tags: dict[str, int] = field(default_factory=dict)


@dataclass
class Config:
    steps: int = 1
    inner: Inner = field(default_factory=Inner)
    run: dict[str, Any] | None = None


def run_script(folder: Path, *arguments: str, cwd: Path | None = None) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, str(folder / "train.py"), *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd or folder,
        env={"HOME": "/home/someone", "PATH": ""},
    )
    printed: dict[str, str] = json.loads(done.stdout.replace("'", '"'))
    return printed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in CONFIGS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


@pytest.mark.parametrize("name", list(CONFIGS))
def test_a_plain_script_with_each_format(folder: Path, name: str) -> None:
    printed = run_script(folder, "--config", name, "learning_rate=5e-5")

    assert printed == {
        "data_path": "/data/pretrain",
        "output_dir": "/home/someone/output",
        "learning_rate": "5e-05",
    }


def test_the_default_file_is_found_beside_the_script(folder: Path) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()

    printed = run_script(folder, "output_dir=/scratch/output", cwd=elsewhere)

    assert printed["output_dir"] == "/scratch/output"
    assert printed["learning_rate"] == "0.0001"


def test_the_working_directory_goes_before_the_script(folder: Path) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "config.yaml").write_text("data_path: /mine\noutput_dir: /out\n")

    assert run_script(folder, cwd=elsewhere)["data_path"] == "/mine"


def test_the_class_alone_is_enough() -> None:
    assert cli(Config, argv=[]) == Config()
    assert cli(Config, argv=["steps=3", "inner.lr=5e-5"]) == Config(3, Inner(5e-5))


def test_keys_that_the_file_omits_are_known_from_the_class(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("steps: 2\n")

    config = cli(Config, "c.yaml", argv=["inner.lr=1", "inner.tags.a=1", "inner.tags.b=2"])

    assert config == Config(2, Inner(1.0, {"a": 1, "b": 2}))
    with pytest.raises(ConfigError, match=r"no key 'inner'|no key 'inner.l'"):
        cli(Config, "c.yaml", argv=["inner.l=1"])


def test_artifact_options_become_run_references() -> None:
    argv = ["--art.data", "d:v2", "steps=2", "--art.model=/path/with space,comma's"]

    config = cli(Config, argv=argv)

    assert config.run == {"data": "d:v2", "model": "/path/with space,comma's"}


def test_unknown_keys_name_the_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("steps: 1\ninner:\n  lrr: 2\n")

    with pytest.raises(ConfigError, match=r"c.yaml:3: Inner has no key 'inner.lrr'.*mean 'lr'"):
        cli(Config, "c.yaml", argv=[])


@pytest.mark.parametrize(
    ("argv", "config", "overrides"),
    [
        (["--config", "c.yaml", "a=1"], "c.yaml", ["a=1"]),
        (["a=1", "--config=c.yaml", "~b"], "c.yaml", ["a=1", "~b"]),
        (["a=1", "-c", "c.toml", "+b.c=[1, 2]"], "c.toml", ["a=1", "+b.c=[1, 2]"]),
        (["--art.data", "n:v1"], "default.yaml", ["run.data='n:v1'"]),
        (["--art.data=art://n:v1", "x=1"], "default.yaml", ["run.data='art://n:v1'", "x=1"]),
        ([], "default.yaml", []),
    ],
)
def test_options_and_overrides_in_any_order(
    argv: list[str], config: str, overrides: list[str]
) -> None:
    found = parse_config_and_overrides(default_config="default.yaml", argv=argv)

    assert found == (Path(config), overrides)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], r"No configuration file is given. Add --config PATH"),
        (["--confg", "x"], r"no option '--confg'. Did you mean '--config'\?"),
        (["--config"], r"'--config' needs a value"),
        (["--art.data"], r"'--art.data' needs a value"),
        (["--art.data="], r"'--art.data' needs a key and a reference"),
        (["--art.", "x"], r"'--art.' needs a key and a reference"),
        (["train"], r"'train' is neither an option nor an override. Write key=value"),
    ],
)
def test_words_that_mean_nothing(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config_and_overrides(argv=argv)


def test_the_process_arguments_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--config", "x.yaml", "a=1"])

    assert parse_config_and_overrides() == (Path("x.yaml"), ["a=1"])


@dataclass
class Reader:
    data_path: Path
    tokens: int


@pytest.fixture
def reading(tmp_path: Path) -> Path:
    data = SFTDataArtifact(path=tmp_path / "data", pack_size=4096)
    ManifestTracker(tmp_path / "team").log(data, name="sft", lineage=Lineage())
    text = (
        "run: {data: none}\ndata_path: ${art:data,path}\ntokens: ${mul:${art:data,pack_size},2}\n"
    )
    (tmp_path / "config.yaml").write_text(text)
    return tmp_path / "config.yaml"


def test_artifacts_are_resolved_and_become_inputs(
    tmp_path: Path, reading: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", str(tmp_path / "team"))
    config = cli(Reader, reading, ["--art.data", "sft:latest"])
    assert config == Reader(data_path=tmp_path / "data", tokens=8192)
    assert current_tracking().inputs == ["sft:v1"]


def test_the_artifacts_section_says_where_a_script_records(tmp_path: Path, reading: Path) -> None:
    with reading.open("a") as file:
        file.write(f"artifacts: {{manifest: {{root: {tmp_path / 'team'}}}}}\n")
    cli(Reader, reading, ["run.data=sft:v1"])
    ModelArtifact(path=tmp_path / "model", step=1).save(name="model")
    assert ManifestTracker(tmp_path / "team").read("model", 1).used_artifacts == ["sft:v1"]


def test_a_recipe_reads_its_configuration_with_nothing_resolved(tmp_path: Path) -> None:
    default = tmp_path / "default.yaml"
    default.write_text("run:\n  data: text:latest\nblend: ${art:data,path}/blend.json\n", "utf-8")
    config = read_config(default, ["--art.data", "text:v2", "+steps=3"])
    assert OmegaConf.to_container(config) == {
        "run": {"data": "text:v2"},
        "blend": "${art:data,path}/blend.json",
        "steps": 3,
    }
    other = tmp_path / "other.yaml"
    other.write_text("defaults: [default, _self_]\nblend: null\n", "utf-8")
    assert read_config(default, ["--config", str(other)]).blend is None
    with pytest.raises(ConfigError, match=r"no key 'blnd'.* Did you mean 'blend'"):
        read_config(default, ["blnd=1"])


NAMED = """
# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/{name}"
# [tool.runspec.artifacts]
# writes = {writes}
# [tool.runspec.artifacts.reads]
# model = "ModelArtifact"
# ///
from nemo_runspec.config import read_config

config = read_config("default.yaml")
"""
CONVERTED = '{ type = "ModelArtifact", format = "hf", name = "{model}-hf" }'


@pytest.mark.parametrize(
    ("name", "words", "output"),
    [
        ("data/prep/sft", (), "demo-sft-data"),
        ("sft", ("--config", "tiny.yaml"), "demo-sft-model-tiny"),
        ("sft", ("run.output=mine",), "mine"),
        ("model/convert", ("--art.model", "my-model:v3"), "my-model-hf"),
    ],
)
def test_a_recipe_that_no_command_started_names_its_output_as_the_command_does(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    words: tuple[str, ...],
    output: str,
) -> None:
    writes = CONVERTED if name == "model/convert" else '"ModelArtifact"'
    script = tmp_path / "train.py"
    script.write_text(NAMED.replace("{name}", name).replace("{writes}", writes), "utf-8")
    (tmp_path / "default.yaml").write_text("run:\n", "utf-8")
    (tmp_path / "tiny.yaml").write_text("run: {data: '${oc.env:NOT_SET_HERE}'}\n", "utf-8")
    monkeypatch.setattr(sys, "argv", [str(script), *words])
    config = runpy.run_path(str(script), run_name="__main__")["config"]
    assert config.run.output == output
