from __future__ import annotations

from pathlib import Path

import pytest

from nemo_runspec.errors import RunspecError
from nemo_runspec.runspec import discover_recipes
from nemotron.cli.tree import Branch, command_of, grow


def recipe(name: str) -> str:
    return f'# /// script\n# [tool.runspec]\n# schema = "1"\n# name = "{name}"\n# ///\n'


def tree_of(folder: Path, **names: str) -> Branch:
    for file, name in names.items():
        (folder / f"{file}.py").write_text(recipe(name))
    return grow(discover_recipes([folder]).recipes)


def test_every_word_of_a_name_is_a_level(tmp_path: Path) -> None:
    root = tree_of(tmp_path, a="nano3/data/prep/sft", b="nano3/sft")
    nano3 = root.children["nano3"]
    assert isinstance(nano3, Branch)
    assert sorted(nano3.children) == ["data", "model", "sft"]
    assert [command_of(each) for each in root.recipes()] == [
        "nemotron nano3 data prep sft",
        "nemotron nano3 sft",
    ]


@pytest.mark.parametrize(
    ("shorter", "longer"),
    [("nano3", "nano3/sft"), ("nano3/data", "nano3/data/prep/sft")],
)
def test_a_name_that_begins_another_is_refused_and_both_files_are_named(
    tmp_path: Path, shorter: str, longer: str
) -> None:
    with pytest.raises(RunspecError, match="is the beginning of") as caught:
        tree_of(tmp_path, one=shorter, two=longer)
    assert "one.py" in str(caught.value.where)
    assert "two.py" in str(caught.value.where)


def words_of_imports(root: Branch) -> set[str]:
    return {" ".join(target.words) for target in root.imports()}


def test_a_family_imports_what_its_recipes_make(tmp_path: Path) -> None:
    root = tree_of(
        tmp_path,
        a="nano3/data/prep/sft",
        b="nano3/sft",
        c="super3/rl/grpo",
        d="super3/rl/dpo",
        e="super3/pretrain/long",
        f="own/data/prep/eval",
        g="own/evaluate",
        h="mine/data/prep/rl",
        i="super3/data/prep/rl/grpo",
        j="super3/data/prep/sft/long",
    )
    assert words_of_imports(root) == {
        "nano3 data import sft",
        "nano3 model import sft",
        "super3 data import rl grpo",
        "super3 data import sft long",
        "super3 model import pretrain long",
        "super3 model import rl dpo",
        "super3 model import rl grpo",
        "mine data import rl",
    }
    assert {(" ".join(each.words), each.usual_name) for each in root.imports()} >= {
        ("nano3 data import sft", "nano3-sft-data"),
        ("super3 data import rl grpo", "super3-rl-grpo-data"),
        ("super3 model import rl dpo", "super3-rl-dpo-model"),
    }
    assert "own" in root.children


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("x/data/import/sft", "nemotron x data import"),
        ("x/model/import/own", "nemotron x model import"),
        ("x/model/import", "nemotron x model import"),
        ("x/model", "nemotron x model"),
    ],
)
def test_a_recipe_among_the_imports_is_refused_and_its_file_is_named(
    tmp_path: Path, name: str, command: str
) -> None:
    with pytest.raises(RunspecError, match=f"'{command}' is a command of its own") as caught:
        tree_of(tmp_path, train="x/sft", taken=name)
    assert str(caught.value.where).endswith("taken.py")
