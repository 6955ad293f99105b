"""The configuration that travels with a packaged recipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from nemo_runspec.artifacts.formats import needs_of, with_format_needs
from nemo_runspec.config import build_job_config, extract_train_config
from nemo_runspec.packaging.places import Places
from nemo_runspec.runspec import Runspec

_CONFIG_FILE = "run.provenance.config_file"


def compose_for_package(
    recipe: Runspec,
    *,
    config: str | None = None,
    overrides: Sequence[str] = (),
    recipes: Iterable[Runspec] = (),
) -> DictConfig:
    """Compose what a recipe reads where it is taken, without asking any store.

    It is what a run on this machine would read, except that references stay as they are written,
    and that no manifest root is filled in: where none is set, the target has to say one.

    Args:
        recipe: The recipe.
        config: Name or path of its configuration; None for its default.
        overrides: ``key=value`` overrides in Hydra's grammar.
        recipes: Every recipe that is known, to name the one that converts a model.

    Raises:
        ConfigError: A file or an override cannot be used, or a value is a secret.
    """
    chosen = [] if config is None else ["-c", config]
    argv = ("nemotron", "package", recipe.name, *chosen, *overrides)
    job = build_job_config(recipe, config_name=config, overrides=overrides, argv=argv)
    train = extract_train_config(with_format_needs(job, needs_of(recipe, recipes)))
    file = Path(str(OmegaConf.select(job, _CONFIG_FILE)))
    with open_dict(train):
        # Equal checkouts give equal bytes, wherever they lie.
        OmegaConf.update(
            train, _CONFIG_FILE, Places(recipe.path).pseudo_path(file, recipe.path.parent)
        )
    return train
