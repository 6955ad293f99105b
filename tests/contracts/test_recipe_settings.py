"""What the recipes of reinforcement learning set, held against NeMo-RL's own configurations.

The snapshots are written by ``tools/check_settings.py`` from the revisions that they name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from nemo_runspec.config import load_omegaconf_yaml
from nemo_runspec.runspec import Runspec, parse

ROOT = Path(__file__).parents[2]
SNAPSHOTS = Path(__file__).parent / "nemo-rl-settings"
SCRIPTS = sorted((ROOT / "recipes").glob("*/stage2_rl/**/train.py"))
CONFIGS = ("default", "sample", "tiny")
# The branch that this image was built from.
RELEASES = {"v0.4.0.nemotron_3_nano": "nano-v3", "v0.7.0": "v0.7.0"}
# What wandb.init takes besides; NeMo-RL hands the whole section on.
OPTIONAL = {"logger.wandb.entity"}
OURS = {"run", "nemo_rl"}
EACH = pytest.mark.parametrize(
    ("script", "name"),
    [
        pytest.param(script, name, id=f"{parse(script).name}-{name}")
        for script in SCRIPTS
        for name in CONFIGS
    ],
)


def composed(script: Path, name: str) -> tuple[Runspec, DictConfig]:
    recipe = parse(script)
    return recipe, load_omegaconf_yaml(recipe.config.dir / f"{name}.yaml")


def snapshot_of(config: DictConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """The release of the container, and what is known of the configuration laid below."""
    release = RELEASES[config.run.env.container.rpartition(":")[2]]
    snapshot = json.loads((SNAPSHOTS / f"{release}.json").read_text("utf-8"))
    base = Path(config.nemo_rl.base).relative_to("/opt/nemo-rl")
    return snapshot, snapshot["files"][base.as_posix()]


def keys(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    for key, item in value.items() if isinstance(value, dict) else ():
        yield ".".join((*path, key))
        yield from keys(item, (*path, key))


def test_every_sub_stage_is_there() -> None:
    assert [parse(script).name for script in SCRIPTS] == [
        "nano3/rl",
        *(f"super3/rl/{name}" for name in ("rlhf", "rlvr1", "rlvr2", "rlvr3", "swe1", "swe2")),
    ]


@EACH
def test_every_key_that_a_recipe_sets_is_one_that_the_release_has(script: Path, name: str) -> None:
    recipe, config = composed(script, name)
    assert recipe.image == config.run.env.container
    snapshot, base = snapshot_of(config)
    plain: Any = OmegaConf.to_container(config, resolve=False)
    framework = {key: value for key, value in plain.items() if key not in OURS}
    known = {*snapshot["in_all"], *base["more"], *OPTIONAL}
    assert set(keys(framework)) - known == set()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: parse(script).name)
def test_the_numbers_of_the_default_are_those_that_were_published(script: Path) -> None:
    _, config = composed(script, "default")
    _, base = snapshot_of(config)
    published = base["values"]
    here = {key: OmegaConf.select(config, key) for key in published}
    assert {key: here[key] for key in here if here[key] is not None} == {
        key: published[key] for key in here if here[key] is not None
    }
    assert here.keys() >= {"grpo.num_prompts_per_step", "policy.max_total_sequence_length"}


@EACH
def test_the_allocation_has_room_for_training_generation_and_judges(
    script: Path, name: str
) -> None:
    _, config = composed(script, name)
    _, base = snapshot_of(config)
    judges = base["values"].get("env.nemo_gym.num_gpu_nodes", 0)
    assert config.run.env.nodes == config.cluster.num_nodes + judges
    if name == "default":
        assert config.cluster.num_nodes == base["values"]["cluster.num_nodes"]
