"""Names of the artifacts that recipes make."""

from __future__ import annotations

import re
from pathlib import PurePath

_DEFAULT_CONFIG = "default"
_DATA_PREP = ("data", "prep")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_FAMILY_AND_DATA_PREP = 4


def output_artifact_name(runspec_name: str, config_name: str) -> str:
    """Name what a recipe makes: ``{family}-{stage}-{data|model}``, then the config's name.

    Args:
        runspec_name: The recipe, such as ``nano3/data/prep/sft`` or ``nano3/sft``.
        config_name: Its configuration; ``default`` adds nothing, a path counts by its stem.

    Returns:
        A valid artifact name: ``nano3-sft-data-sample``, ``nano3-sft-model``.
    """
    words = tuple(runspec_name.split("/"))
    if len(words) >= _FAMILY_AND_DATA_PREP and words[1:3] == _DATA_PREP:
        parts = [words[0], *words[3:], "data"]
    else:
        parts = [*words, "model"]
    config = config_stem(config_name)
    if config != _DEFAULT_CONFIG:
        parts.append(config)
    return _NOT_IN_NAMES.sub("-", "-".join(parts)).strip("-._") or "artifact"


def config_stem(config_name: str) -> str:
    """Reduce a config's name or path to its name: ``/x/tiny.yaml`` becomes ``tiny``."""
    path = PurePath(config_name)
    return path.stem if path.suffix in {".yaml", ".yml", ".toml", ".json"} else path.name
