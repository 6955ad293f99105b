"""Several recipes are packaged at the same time, as the stages of a chain are."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import nemo_runspec
from nemo_runspec.packaging import package_script

RECIPE = "import nemo_runspec.{module}\n"


@pytest.fixture
def switching() -> Iterator[None]:
    """Collect garbage all the time, and let another thread run while that goes on."""

    def pause(_phase: str, _info: dict[str, int]) -> None:
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(pause)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(pause)


@pytest.mark.usefixtures("switching")
def test_recipes_are_packaged_side_by_side(tmp_path: Path) -> None:
    modules = ("artifacts", "config", "execution", "lineage")
    for name in modules:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "recipe.py").write_text(RECIPE.format(module=name))

    def package(name: str) -> str:
        job = package_script(tmp_path / name / "recipe.py", tmp_path / name / "out")
        return job.main.read_text(encoding="utf-8")

    with ThreadPoolExecutor(len(modules)) as pool:
        mains = list(pool.map(package, modules))

    assert all(nemo_runspec.__name__ in main for main in mains)
