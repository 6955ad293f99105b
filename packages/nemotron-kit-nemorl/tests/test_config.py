from __future__ import annotations

import subprocess
import sys
from typing import TypedDict

import pytest
from omegaconf import OmegaConf
from pydantic import BaseModel

from nemo_runspec.artifacts import Artifact, log_artifact, setup_artifact_tracking
from nemo_runspec.errors import ConfigError, ExecutionError
from nemotron_kit_nemorl import (
    load_config,
    make_master_config,
    register_resolvers,
    release_resolvers,
    resolve_config,
    run_driver,
)


@pytest.fixture
def write(tmp_path):
    def write(**files):
        for name, text in files.items():
            file = tmp_path / f"{name.replace('__', '/')}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        return tmp_path / f"{next(iter(files))}.yaml"

    return write


def test_a_file_inherits_from_others_and_the_later_wins(write):
    file = write(
        child="defaults: [one.yaml, two.yaml]\na: {x: 4}\n",
        one="a: {x: 1, y: 1, z: 1}\nb: 1\n",
        two="a: {y: 2}\n",
    )
    assert load_config(file) == {"a": {"x": 4, "y": 2, "z": 1}, "b": 1}


def test_inheritance_goes_on_and_paths_are_those_of_the_file_that_names_them(write):
    file = write(
        child="defaults: base/mid.yaml\na: 3\n",
        base__mid="defaults: root.yaml\nb: 2\n",
        base__root="a: 1\nb: 1\nc: 1\n",
    )
    assert load_config(file) == {"a": 3, "b": 2, "c": 1}


def test_paths_of_releases_before_0_6_are_found_from_the_first_file(write):
    file = write(
        child="defaults: base/mid.yaml\n",
        base__mid="defaults: base/root.yaml\nb: 2\n",
        base__root="a: 1\n",
    )
    assert load_config(file) == {"a": 1, "b": 2}


def test_an_absolute_path_is_taken(write, tmp_path):
    base = write(base="a: 1\n")
    (tmp_path / "far").mkdir()
    child = tmp_path / "far" / "child.yaml"
    child.write_text(f"defaults: {base}\nb: 2\n", "utf-8")
    assert load_config(child) == {"a": 1, "b": 2}


def test_a_section_may_replace_what_it_inherits(write):
    file = write(
        child="defaults: base.yaml\na: {_override_: true, y: 2}\nnew: {_override_: true, z: 1}\n",
        base="a: {x: 1}\nb: {x: 1}\n",
    )
    assert load_config(file) == {"a": {"y": 2}, "b": {"x": 1}, "new": {"z": 1}}


def test_interpolations_and_missing_values_are_kept(write):
    file = write(child="defaults: base.yaml\nn: 3\nmust: ???\n", base="n: 1\nm: ${n}\nmust: 1\n")
    config = load_config(file)
    assert config.m == 3
    assert config.must == 1


def test_overrides_are_applied_to_the_whole(write):
    file = write(child="defaults: base.yaml\n", base="a: {x: 1}\n")
    assert load_config(file, ["a.x=2", "+a.y=[1,2]"]) == {"a": {"x": 2, "y": [1, 2]}}
    with pytest.raises(ConfigError, match="Did you mean"):
        load_config(file, ["a.xx=2"])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"child": "defaults: bse.yaml\n", "base": "a: 1\n"}, r"Did you mean 'base\.yaml'\?"),
        ({"child": "defaults: no/where.yaml\n"}, "inherits from no/where.yaml, which is not there"),
        ({"child": "defaults: [{group: x}]\n"}, "no config groups"),
        ({"child": "defaults: child.yaml\n"}, r"child\.yaml → child\.yaml"),
        (
            {"child": "defaults: b.yaml\n", "b": "defaults: c.yaml\n", "c": "defaults: b.yaml\n"},
            r"inherits from itself: b\.yaml → c\.yaml → b\.yaml",
        ),
        ({"child": "a: [1\n"}, r"child\.yaml:"),
        ({"child": "defaults: base.yaml\n", "base": "a: [1\n"}, r"base\.yaml:"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_named(write, files, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(**files))


ARITHMETIC = """
length: 4096
batch: ${mul:${length},2}
sum: ${add:${length},1.5}
half: ${div:${length},2}
most: ${max:${length},8192}
"""


def test_arithmetic_and_references_are_resolved_together(write, tmp_path):
    root = tmp_path / "store"
    tracked = {"artifacts": {"manifest": {"root": str(root)}}}
    with setup_artifact_tracking(tracked) as tracking:
        data = Artifact(path=tmp_path, metadata={"records": 7})
        log_artifact(data, tracking, name="rl-data")
    text = f"{ARITHMETIC}path: ${{art:data,path}}\nthrice: ${{mul:${{art:data,records}},3}}\n"
    config = load_config(write(child=text))
    config.run = {"data": "rl-data:latest"}
    config.artifacts = tracked["artifacts"]
    with setup_artifact_tracking(config):
        plain = resolve_config(config)
    assert (plain["batch"], plain["sum"], plain["half"], plain["most"]) == (
        8192,
        4097.5,
        2048,
        8192,
    )
    assert (plain["path"], plain["thrice"]) == (str(tmp_path), 21)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: ${div:1,0}\n", "a: It cannot be resolved: .*by zero"),
        ("a: ${add:x,1}\n", "computes with numbers, and 'x' is none"),
        ("a: ${max:true,1}\n", "computes with numbers, and True is none"),
        ("a: {b: '${nowhere}'}\n", r"a\.b: It cannot be resolved"),
        ("a: ???\n", "a: It cannot be resolved"),
    ],
)
def test_what_cannot_be_resolved_is_named(write, text, message):
    with pytest.raises(ConfigError, match=message):
        resolve_config(load_config(write(child=text)))


REGISTRATIONS = {
    "as releases from 0.6 do": """
for name, function in THEIRS.items():
    if not OmegaConf.has_resolver(name):
        OmegaConf.register_new_resolver(name, function)
""",
    "as drivers up to 0.5 do": """
OmegaConf.register_new_resolver("mul", THEIRS["mul"])
""",
}
THEIRS = """
from omegaconf import OmegaConf
THEIRS = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b,
          "div": lambda a, b: a / b, "max": lambda a, b: max(a, b)}
"""
OURS = "from nemotron_kit_nemorl import register_resolvers; register_resolvers()\n"
ASK = """
config = OmegaConf.create({"a": "${mul:2,3}", "b": "${max:2,3}", "c": "${art:x}"})
print(config.a, config.b if OmegaConf.has_resolver("max") else 3, OmegaConf.has_resolver("art"))
"""


@pytest.mark.parametrize("how", REGISTRATIONS)
@pytest.mark.parametrize("order", ["ours first", "theirs first"])
def test_nobodys_resolvers_are_in_the_others_way(tmp_path, how, order):
    """In a process of its own: what is registered stays for the life of a process."""
    driver = tmp_path / "driver.py"
    theirs = f"{THEIRS}{REGISTRATIONS[how]}"
    driver.write_text(f"{theirs if order == 'ours first' else THEIRS}{ASK}", "utf-8")
    run = f"from nemotron_kit_nemorl import run_driver; run_driver({str(driver)!r}, 'c.yaml')\n"
    script = f"{OURS}{run}" if order == "ours first" else f"{theirs}{OURS}{ASK}"
    # OmegaConf 2.4 warns of the name that NeMo-RL registers under.
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False
    )
    assert result.stdout == "6 3 True\n", result.stderr


def test_a_driver_gets_its_arguments_and_the_process_keeps_its_own(tmp_path, capsys):
    driver = tmp_path / "run_grpo.py"
    driver.write_text("import sys\nprint(__name__, *sys.argv[1:])\n", "utf-8")
    before = list(sys.argv)
    run_driver(driver, "grpo.yaml", ["a.b=1"])
    assert capsys.readouterr().out == "__main__ --config grpo.yaml a.b=1\n"
    assert sys.argv == before
    register_resolvers()


def test_a_driver_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ExecutionError, match=r"no driver .*none\.py\. Releases"):
        run_driver(tmp_path / "none.py", "grpo.yaml")


def test_released_resolvers_are_registered_again():
    release_resolvers()
    assert not OmegaConf.has_resolver("mul")
    register_resolvers()
    assert OmegaConf.create({"a": "${mul:2,3}"}).a == 6


class Grpo(BaseModel):
    steps: int


class Model(BaseModel, extra="allow"):
    grpo: Grpo


class Mapping(TypedDict):
    grpo: dict[str, int]


def test_the_master_configuration_is_a_model_or_a_mapping():
    settings = {"grpo": {"steps": 3}, "more": 1}
    assert make_master_config(settings, Model).grpo.steps == 3
    assert make_master_config(settings, Model).more == 1
    assert make_master_config(settings, Mapping) == settings


def test_a_value_that_does_not_fit_the_model_names_its_key():
    with pytest.raises(ConfigError, match=r"grpo\.steps: Input should be a valid integer"):
        make_master_config({"grpo": {"steps": "x"}}, Model)
    with pytest.raises(ConfigError, match="grpo: Field required"):
        make_master_config({}, Model)
