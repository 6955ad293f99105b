from __future__ import annotations

import os
from pathlib import Path

import pytest

from nemo_runspec.errors import ProfileError
from nemo_runspec.runspec import discover_recipes, recipe_folders


def recipe(file: Path, name: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'# /// script\n# [tool.runspec]\n# schema = "1"\n# name = "{name}"\n# ///\n')
    return file


def test_finds_recipes_at_any_depth_sorted_by_name(tmp_path: Path) -> None:
    recipe(tmp_path / "z.py", "fam/b")
    recipe(tmp_path / "deep" / "er" / "a.py", "fam/a")
    (tmp_path / "helper.py").write_text("print('no header')\n")
    (tmp_path / "notes.txt").write_text("# /// script\n")
    recipe(tmp_path / ".hidden" / "x.py", "fam/hidden")
    recipe(tmp_path / "__pycache__" / "x.py", "fam/cached")

    found = discover_recipes([tmp_path])

    assert [spec.name for spec in found.recipes] == ["fam/a", "fam/b"]
    assert found.errors == ()
    assert found.by_name()["fam/a"].path == tmp_path / "deep" / "er" / "a.py"


def test_an_earlier_folder_hides_a_later_one(tmp_path: Path) -> None:
    mine = recipe(tmp_path / "mine" / "a.py", "fam/a")
    recipe(tmp_path / "theirs" / "a.py", "fam/a")
    recipe(tmp_path / "theirs" / "b.py", "fam/b")

    found = discover_recipes([tmp_path / "mine", tmp_path / "theirs"])

    assert [spec.name for spec in found.recipes] == ["fam/a", "fam/b"]
    assert found.recipes[0].path == mine


def test_two_claims_in_one_folder_are_an_error_that_names_both(tmp_path: Path) -> None:
    recipe(tmp_path / "one.py", "fam/a")
    recipe(tmp_path / "two.py", "fam/a")
    recipe(tmp_path / "three.py", "fam/c")

    found = discover_recipes([tmp_path])

    assert [spec.name for spec in found.recipes] == ["fam/c"]
    (error,) = found.errors
    assert "one.py and " in str(error)
    assert "two.py" in str(error)


def test_a_broken_recipe_hides_no_other(tmp_path: Path) -> None:
    recipe(tmp_path / "good.py", "fam/good")
    recipe(tmp_path / "bad.py", "no name")
    (tmp_path / "worse.py").write_text("# /// script\n# [[[\n# ///\n")

    found = discover_recipes([tmp_path])

    assert [spec.name for spec in found.recipes] == ["fam/good"]
    assert len(found.errors) == 2
    assert "bad.py:4" in str(found.errors[0])
    assert "worse.py:2" in str(found.errors[1])


def test_scripts_of_other_tools_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "uv_script.py").write_text("# /// script\n# dependencies = []\n# ///\n")

    assert discover_recipes([tmp_path]).errors == ()


def test_a_folder_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    (error,) = discover_recipes([tmp_path / "gone"]).errors

    assert "gone: The recipe folder does not exist." in str(error)


def test_folders_come_from_the_variable_env_toml_the_checkout_and_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "project" / "sub"
    inner.mkdir(parents=True)
    (tmp_path / "project" / "recipes").mkdir()
    (tmp_path / "project" / "env.toml").write_text('[cli]\nrecipes = ["team"]\n')
    monkeypatch.setenv("NEMOTRON_RECIPES", os.pathsep.join(["/abs/one", "rel"]))

    folders = recipe_folders(inner, installed=[Path("/installed/recipes")])

    assert folders == [
        Path("/abs/one"),
        inner / "rel",
        tmp_path / "project" / "team",
        tmp_path / "project" / "recipes",
        Path("/installed/recipes"),
    ]


def test_a_malformed_list_of_folders_in_env_toml(tmp_path: Path) -> None:
    (tmp_path / "env.toml").write_text('[cli]\nrecipes = "team"\n')

    with pytest.raises(ProfileError, match=r"env.toml:2: 'cli.recipes' must be a list"):
        recipe_folders(tmp_path)
