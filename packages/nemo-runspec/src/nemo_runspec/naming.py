"""Names of the artifacts that recipes make."""

from __future__ import annotations

import re
from pathlib import PurePath

_DEFAULT_CONFIG = "default"
_DATA_PREP = ("data", "prep")
_EVALUATION = "eval"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_FAMILY_AND_DATA_PREP = 4
_PART = "[A-Za-z0-9._-]*"

NAME_PATTERN = re.compile(rf"(?P<before>{_PART})\{{(?P<key>\w+)\}}(?P<after>{_PART})")
"""A name that follows another's: ``{model}-hf``, where ``model`` is a key of what is read."""


def output_artifact_name(runspec_name: str, config_name: str) -> str:
    """Name what a recipe makes: ``{family}-{stage}-{data|model|results}``, then the config's name.

    Args:
        runspec_name: The recipe, such as ``nano3/data/prep/sft``, ``nano3/sft`` or
            ``nano3/eval``.
        config_name: Its configuration; ``default`` adds nothing, a path counts by its stem.

    Returns:
        A valid artifact name: ``nano3-sft-data-sample``, ``nano3-sft-model``.
    """
    words = tuple(runspec_name.split("/"))
    if len(words) >= _FAMILY_AND_DATA_PREP and words[1:3] == _DATA_PREP:
        parts = [words[0], *words[3:], "data"]
    else:
        parts = [*words, "results" if words[-1] == _EVALUATION else "model"]
    config = config_stem(config_name)
    if config != _DEFAULT_CONFIG:
        parts.append(config)
    return _NOT_IN_NAMES.sub("-", "-".join(parts)).strip("-._") or "artifact"


def config_stem(config_name: str) -> str:
    """Reduce a config's name or path to its name: ``/x/tiny.yaml`` becomes ``tiny``."""
    path = PurePath(config_name)
    return path.stem if path.suffix in {".yaml", ".yml", ".toml", ".json"} else path.name


def derived_name(pattern: str, name: str) -> str:
    """Name an artifact after the one that it is made from.

    Args:
        pattern: Such as ``{model}-hf``.
        name: The name of what is read.
    """
    found = NAME_PATTERN.fullmatch(pattern)
    return name if found is None else f"{found['before']}{name}{found['after']}"


def source_name(pattern: str, name: str) -> str | None:
    """Name what an artifact is made from, from its own name.

    Args:
        pattern: Such as ``{model}-hf``.
        name: The name of what is made.

    Returns:
        None where the name does not follow the pattern.
    """
    found = NAME_PATTERN.fullmatch(pattern)
    if found is None:
        return None
    longer = len(name) > len(found["before"]) + len(found["after"])
    fits = longer and name.startswith(found["before"]) and name.endswith(found["after"])
    return name[len(found["before"]) : len(name) - len(found["after"])] if fits else None
