"""The form that all recipes share: short scripts that read alike, three configurations, a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nemo_runspec.config import list_configs, load_omegaconf_yaml
from nemo_runspec.runspec import discover_recipes

RECIPES = Path(__file__).parents[1] / "recipes"
FOUND = discover_recipes([RECIPES]).recipes
EACH = pytest.mark.parametrize("recipe", FOUND, ids=lambda recipe: recipe.name)
IN_CONTAINERS = [recipe for recipe in FOUND if recipe.image is not None]


def body(script: Path) -> str:
    return script.read_text("utf-8").partition("from __future__")[2]


def test_all_recipes_are_here() -> None:
    assert len(FOUND) == 26
    assert len(IN_CONTAINERS) == 15


@EACH
def test_a_script_is_short_and_has_a_page_and_three_configurations(recipe) -> None:
    lines = recipe.path.read_text("utf-8").splitlines()
    assert len(lines) < 120
    assert (recipe.path.parent / "README.md").is_file()
    assert list_configs(recipe.config.dir) == ["default", "sample", "tiny"]


@pytest.mark.parametrize("recipe", IN_CONTAINERS, ids=lambda recipe: recipe.name)
def test_configurations_name_the_container_of_the_header_and_what_is_read(recipe) -> None:
    default = load_omegaconf_yaml(recipe.config.dir / "default.yaml").run
    assert default.env.container == recipe.image
    assert {key for key in default if key != "env"} == set(recipe.artifacts.reads)
    assert "= read_config(DEFAULT_CONFIG)\n" in body(recipe.path)
    assert "require_framework(config)\n" in body(recipe.path)


@pytest.mark.parametrize("name", ["tiny", "sample"])
def test_scripts_that_no_command_started_write_into_folders_of_their_own(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What lies in its folder a training script goes on from."""
    monkeypatch.delenv("NEMOTRON_RUN_DIR", raising=False)
    keys = ("checkpoint.save", "checkpointing.checkpoint_dir", "results_dir", "output_dir")
    places = [
        found
        for recipe in IN_CONTAINERS
        for config in [load_omegaconf_yaml(recipe.config.dir / f"{name}.yaml")]
        for found in [OmegaConf.select(config, key) for key in keys]
        if found is not None
    ]
    assert len(places) == len(IN_CONTAINERS)
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    "script",
    sorted(recipe.path for recipe in FOUND if recipe.name.startswith("nano3/")),
    ids=lambda script: script.relative_to(RECIPES / "nano3").as_posix(),
)
def test_the_families_scripts_differ_in_their_headers_only(script: Path) -> None:
    folder = script.relative_to(RECIPES / "nano3")
    if folder.parts[0] == "stage2_rl":
        folder = Path("stage2_rl", "rlvr1", folder.name)
    assert body(RECIPES / "super3" / folder) == body(script)
