"""``nemotron package``: what it finds, writes, says and refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

WORDS = ["demo", "data", "prep", "sft"]


def test_a_recipe_is_packaged_with_its_configuration(workplace: Path, nemotron: Callable) -> None:
    overrides = ("pack_size=7", "output_dir=made")
    (workplace / "there").mkdir()
    folder = ("-o", "there/../job")
    done = nemotron("package", "demo/data/prep/sft", "-c", "sample", *folder, *overrides)
    assert done.code == 0
    assert f"{workplace.resolve() / 'job'} " in done.out
    assert "Packaged" in done.out
    assert "demo/data/prep/sft" in done.out
    command = [sys.executable, "main.py", "--config", "config.yaml"]
    job = workplace / "job"
    subprocess.run(command, check=True, capture_output=True, cwd=job)
    assert (job / "made" / "data.txt").read_text() == "hello"
    assert "pack_size: 7" in (job / "config.yaml").read_text()


@pytest.mark.parametrize(
    "given", [["demo/data/prep/sft"], ["demo data prep sft"], WORDS, ["recipes/prep.py"]]
)
def test_the_ways_to_name_a_recipe(workplace: Path, nemotron: Callable, given: list[str]) -> None:
    (script,) = workplace.rglob("prep.py")
    given = [str(script)] if given[0].endswith(".py") else given
    done = nemotron("package", *given, "-c", "sample", "-o", "job", "--json")
    document = json.loads(done.out)
    assert document["recipe"] == "demo/data/prep/sft"
    assert document["script"] == str(script)
    assert document["main"] == str(workplace / "job" / "main.py")
    assert document["config"] == str(workplace / "job" / "config.yaml")
    assert document["files"] == []
    assert document["size_bytes"] == (workplace / "job" / "main.py").stat().st_size


def test_overrides_follow_the_words_of_a_recipe(workplace: Path, nemotron: Callable) -> None:
    nemotron("package", *WORDS, "pack_size=7", "-o", "job", "+added=1", "~broken")
    lines = (workplace / "job" / "config.yaml").read_text().splitlines()
    assert {"pack_size: 7", "added: 1"} <= set(lines)
    assert not any(line.startswith("broken") for line in lines)


def test_any_script_is_packaged(workplace: Path, nemotron: Callable) -> None:
    (workplace / "hello.py").write_text("print('hello')\n")
    done = nemotron("package", "hello.py", "-o", "job", "--quiet")
    assert done.out == f"{workplace / 'job' / 'main.py'}\n"
    command = [sys.executable, done.out.strip()]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "hello\n"
    assert not (workplace / "job" / "config.yaml").exists()


def test_a_scripts_configuration_is_a_file_that_can_be_overridden(
    workplace: Path, nemotron: Callable
) -> None:
    (workplace / "hello.py").write_text("")
    (workplace / "hello.yaml").write_text("rate: 1\n")
    nemotron("package", "hello.py", "-c", "hello.yaml", "-o", "job", "rate=2")
    assert (workplace / "job" / "config.yaml").read_text() == "rate: 2\n"


def test_packages_are_named(workplace: Path, nemotron: Callable) -> None:
    (workplace / "hello.py").write_text("")
    done = nemotron("package", "hello.py", "-o", "job", "--package", "absent", "--package", "b")
    assert done.code == 2
    assert "The package 'absent' cannot be found." in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["demo/data/prep/sftt", "-o", "job"], "There is no recipe 'demo/data/prep/sftt'."),
        (["demo", "data", "prep", "sftt", "-o", "job"], "Did you mean 'demo/data/prep/sft'?"),
        (["demo/data/prep/sft", "sample", "-o", "job"], "no recipe 'demo/data/prep/sft sample'"),
        (["gone.py", "-o", "job"], "There is no such script."),
        (["hello.py", "-o", "job", "a=1"], "Overrides need a configuration."),
        (["demo/data/prep/sft"], "Missing option '-o' / '--output'."),
        (["demo/data/prep/sft", "-c", "none", "-o", "job"], "none"),
        (["demo/data/prep/sft", "-o", "job", "absent=1"], "absent"),
        (["demo/data/prep/sft", "-o", "taken"], "'main.py' is there already"),
    ],
)
def test_what_is_refused(
    workplace: Path, nemotron: Callable, words: list[str], message: str
) -> None:
    (workplace / "hello.py").write_text("")
    (workplace / "taken").mkdir()
    (workplace / "taken" / "main.py").write_text("mine")
    done = nemotron("package", *words)
    assert done.code == 2
    assert message in done.err
    assert not (workplace / "job").exists()
    assert (workplace / "taken" / "main.py").read_text() == "mine"


def test_many_files_are_not_all_listed(workplace: Path, nemotron: Callable) -> None:
    (workplace / "hello.py").write_text("")
    (workplace / "words").mkdir()
    for number in range(14):
        (workplace / "words" / f"{number:02}.txt").write_text("")
    (workplace / "hello.yaml").write_text("words: ./words\n")
    done = nemotron("package", "hello.py", "-c", "hello.yaml", "-o", "job")
    assert "files/words/09.txt" in done.out
    assert "files/words/10.txt" not in done.out
    assert "and 4 more (see --json)" in done.out


def test_the_command_loads_nothing_heavy_for_its_help() -> None:
    heavy = ("omegaconf", "pydantic", "fsspec", "yaml", "nemo_runspec.packaging")
    code = (
        "import sys; from nemotron.cli.main import main; main(['package', '--help']);"
        f"print(sorted(set({heavy!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "nemotron package RECIPE|SCRIPT" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


FACADE_SCRIPT = """
from dataclasses import dataclass

from nemotron.kit import Artifact, cli
from nemotron.kit.train_script import load_omegaconf_yaml


@dataclass
class Config:
    rate: int = 1


if __name__ == "__main__":
    print(cli(Config).rate, Artifact.__module__, callable(load_omegaconf_yaml))
"""


def test_a_script_that_uses_the_facade_takes_the_owners_along(
    workplace: Path, nemotron: Callable
) -> None:

    (workplace / "own.py").write_text(FACADE_SCRIPT)
    (workplace / "own.yaml").write_text("rate: 2\n")
    nemotron("package", "own.py", "-c", "own.yaml", "-o", "job")
    text = (workplace / "job" / "main.py").read_text()
    top = text.partition("import sys")[0]
    assert "nemotron: kit, kit.train_script" in top
    assert "click" not in top
    assert "cli.main" not in top
    command = [sys.executable, "-I", str(workplace / "job" / "main.py"), "rate=3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == "3 nemo_runspec.artifacts.base True\n"
