"""The container that a recipe is written for, as messages name it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

_KEY = "run.env.container"


def image_of(config: DictConfig | Mapping[str, Any]) -> str | None:
    """Read which image a recipe runs in; None where its configuration does not say.

    Args:
        config: The recipe's configuration; nothing else of it is resolved.
    """
    known = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
    image = OmegaConf.select(known, _KEY, throw_on_resolution_failure=False)
    return str(image) if image else None


def described_container(config: DictConfig | Mapping[str, Any]) -> str:
    """Name the container that a recipe runs in, for a sentence on what is missing here.

    Args:
        config: The recipe's configuration.
    """
    image = image_of(config)
    return f"the container {image}" if image else "a container that brings it"
