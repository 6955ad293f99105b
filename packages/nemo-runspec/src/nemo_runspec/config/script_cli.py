"""The configuration of a script: a file and a command line, as it is or as a typed result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.config.arguments import (
    locate,
    locate_default,
    parse_config_and_overrides,
    split_arguments,
)
from nemo_runspec.config.compose import compose_with, load_omegaconf_yaml
from nemo_runspec.config.grammar import parse_override
from nemo_runspec.config.output import name_output
from nemo_runspec.config.overrides import apply_hydra_overrides, apply_overrides
from nemo_runspec.config.shape import declares
from nemo_runspec.config.typed import to_typed
from nemo_runspec.runspec.running import running_recipe

T = TypeVar("T")

_SECTION = "artifacts"


def read_config(default: str | Path, argv: Sequence[str] | None = None) -> DictConfig:
    """Read the configuration that a recipe's command line names, with its overrides.

    Nothing is resolved, so that whoever sets up tracking decides where references lead. Where no
    command named the recipe's output, ``run.output`` is set as the command does.

    Args:
        default: The file to use where the command line has no ``--config``; a packaged recipe
            uses the ``config.yaml`` that was packaged with it.
        argv: The command line without the program's name; by default this process's.

    Raises:
        ConfigError: The file or an override cannot be used.
    """
    path, overrides = parse_config_and_overrides(default_config=default, argv=argv)
    config = apply_hydra_overrides(load_omegaconf_yaml(path), overrides)
    recipe = running_recipe()
    if recipe is not None:
        name_output(config, recipe, path.name)
    return config


def cli(
    cls: type[T], config_file: str | Path | None = None, argv: Sequence[str] | None = None
) -> T:
    """Load a script's configuration from a file and its command line.

    ``${art:…}`` and ``${mul:…}`` are resolved; where the file has an ``artifacts`` section, it
    becomes the current tracking.

    Args:
        cls: A dataclass or a pydantic model.
        config_file: The YAML, TOML or JSON file to use when the command line has no
            ``--config``. A relative one is looked for in the working directory, then beside the
            script. Without any file the class's own defaults are the start.
        argv: The command line without the program's name; by default this process's. It may
            hold ``--config PATH``, ``--art.KEY NAME`` and overrides such as
            ``learning_rate=5e-5``.

    Returns:
        An instance of the class.

    Raises:
        ConfigError: The file, an override or a value cannot be used.
        ArtifactNotFoundError: A reference means nothing.
    """
    arguments = split_arguments(sys.argv[1:] if argv is None else argv)
    file = _file(arguments.config, config_file)
    overrides = [parse_override(text) for text in arguments.overrides]
    content, for_keys = ({}, overrides) if file is None else compose_with(file, overrides)
    config = apply_overrides(OmegaConf.create(content), for_keys, is_known=partial(declares, cls))
    _serve_artifacts(config, cls)
    return to_typed(config, cls, source=None if file is None else str(file))


def _serve_artifacts(config: DictConfig, cls: type) -> None:
    if _SECTION in config and not declares(cls, (_SECTION,)):
        from nemo_runspec.artifacts.tracking import setup_artifact_tracking

        setup_artifact_tracking(config)
    elif "${" in OmegaConf.to_yaml(config):
        from nemo_runspec.resolvers import register_resolvers

        register_resolvers()


def _file(chosen: str | None, default: str | Path | None) -> Path | None:
    if chosen is not None:
        return locate(Path(chosen).expanduser()).absolute()
    return None if default is None else locate_default(default).absolute()
