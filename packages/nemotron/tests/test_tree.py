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
    assert sorted(nano3.children) == ["data", "sft"]
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
