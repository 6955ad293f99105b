"""``blend.json``: the data of every split, as Megatron-Bridge's dataset wants it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.errors import ConfigError
from nemo_runspec.suggest import did_you_mean

SPLITS = ("train", "valid", "test")
Blend = tuple[list[str], list[float] | None]

_INDEX, _DATA = ".idx", ".bin"


def read_blend(file: Path) -> list[Blend | None]:
    """Read which prefixes each split has, and their weights.

    Each of ``train``, ``valid`` and ``test`` is a list that alternates weight and prefix, a list of
    prefixes, or null where the split has no data.

    Args:
        file: The JSON file.

    Returns:
        For each split its prefixes and, where there are any, their weights.

    Raises:
        ConfigError: A split is missing or empty, or the file holds something else.
    """
    document = _document(file)
    for split in SPLITS:
        if split not in document:
            raise ConfigError(
                f"The blend has no split '{split}'.",
                where=str(file),
                hint=f"It needs all of {', '.join(SPLITS)}; null is a split without data.",
            )
    for key in document:
        if key not in SPLITS:
            raise ConfigError(
                f"A blend has no split '{key}'.", where=str(file), hint=did_you_mean(key, SPLITS)
            )
    blends = [_blend(document[split], f"{file}: {split}") for split in SPLITS]
    if blends[0] is None:
        raise ConfigError("The blend has no data to train on.", where=f"{file}: train")
    return blends


def use_blend(container: Any, file: str | Path) -> None:
    """Train on the splits of a ``blend.json``; no release takes the file itself.

    Args:
        container: The framework's configuration; its ``dataset`` is changed.
        file: The JSON file.

    Raises:
        ConfigError: The file cannot be used, or the recipe's dataset takes no blend.
    """
    dataset = container.dataset
    if not hasattr(dataset, "blend_per_split"):
        raise ConfigError(
            f"The recipe's dataset, a {type(dataset).__name__}, takes no blend.",
            where="dataset",
            hint="Blends are for pretraining recipes.",
        )
    dataset.blend_per_split = read_blend(Path(file))
    dataset.blend = None
    # The framework's own division of one blend into splits; it refuses both.
    dataset.split = None


def _document(file: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise ConfigError("There is no such blend.", where=str(file)) from error
    except OSError as error:
        raise ConfigError(f"It cannot be read: {error.strerror}.", where=str(file)) from error
    except ValueError as error:
        raise ConfigError(f"It is no JSON: {error}.", where=str(file)) from error
    if not isinstance(document, dict):
        raise ConfigError("A blend is a mapping of splits.", where=str(file))
    return document


def _blend(written: Any, where: str) -> Blend | None:
    if written is None:
        return None
    parts = written.split() if isinstance(written, str) else written
    if not isinstance(parts, list):
        raise ConfigError("A split is a list of weights and prefixes.", where=where)
    if not parts:
        raise ConfigError(
            "The list of this split is empty.", where=where, hint="Write null for no data."
        )
    prefixes, weights = _separated(parts, where)
    for prefix in prefixes:
        _check_prefix(prefix, where)
    return prefixes, weights


def _separated(parts: list[Any], where: str) -> tuple[list[str], list[float] | None]:
    if _weight(parts[0]) is None:
        return [str(part) for part in parts], None
    if len(parts) % 2:
        raise ConfigError("A weight has no prefix after it.", where=where)
    weights = [_weight(part) for part in parts[::2]]
    known = [weight for weight in weights if weight is not None]
    if len(known) != len(weights):
        wrong = parts[::2][weights.index(None)]
        raise ConfigError(f"{wrong!r} stands where a weight belongs.", where=where)
    if any(weight < 0 for weight in known) or sum(known) <= 0:
        raise ConfigError("Weights are positive numbers.", where=where)
    return [str(part) for part in parts[1::2]], known


def _weight(part: Any) -> float | None:
    if isinstance(part, bool):
        return None
    try:
        return float(part)
    except (TypeError, ValueError):
        return None


def _check_prefix(prefix: str, where: str) -> None:
    if "://" in prefix:
        return
    for suffix in (_DATA, _INDEX):
        if not Path(f"{prefix}{suffix}").is_file():
            raise ConfigError(
                f"The blend names {prefix}, and {prefix}{suffix} is not there.",
                where=where,
                hint="Was the data moved or deleted, or is its disk not mounted here?",
            )
