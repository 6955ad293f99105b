from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def test_without_data_preparation_one_sentence_says_what_to_install(
    workplace: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nemotron_data_prep", None)
    done = nemotron("data", "inspect", ".")
    assert done.code == 1
    assert "nemotron data inspect needs nemotron-data-prep, which is not installed." in done.err
    assert "pip install nemotron-data-prep" in done.err


def test_a_recipe_cannot_take_the_name_of_the_group(
    workplace: Path,
    nemotron: Callable,
    write_files: Callable[[Path, dict[str, str]], None],
) -> None:
    header = '# /// script\n# [tool.runspec]\n# schema = "1"\n# name = "data/look"\n# ///\n'
    write_files(workplace / "recipes" / "demo", {"look.py": header})
    done = nemotron("demo", "--help")
    assert done.code != 0
    assert "'nemotron data' is a command of its own" in done.err


def test_help_names_the_options(workplace: Path, nemotron: Callable) -> None:
    assert "inspect PATH|REF" in nemotron("data", "--help").out
    page = nemotron("data", "inspect", "--help").out
    assert "Usage: nemotron data inspect PATH|REF" in page
    assert "--tokenizer PATH" in page
