"""The checkpoint that training starts from: there, and of a form that the release loads."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from nemo_runspec.errors import ArtifactError, ConfigError
from nemotron_kit_megatron.saves import TRACKER_FILE, read_latest
from nemotron_kit_megatron.versions import described, has_module

_KEY = "checkpoint.pretrained_checkpoint"
_HELPERS = "megatron.bridge.training.utils.checkpoint_utils"
_ITERATION = re.compile(r"iter_\d{7,}|release")
_HF_CONFIG = "config.json"
_TRAIN_STATE = "latest_train_state.pt"


def check_model(container: Any, *, reference: str | None = None) -> None:
    """Refuse a checkpoint to start from that cannot be loaded, before any GPU is waited for.

    Args:
        container: The framework's configuration, complete.
        reference: The artifact that it comes from, for messages.

    Raises:
        ConfigError: It is gone, has no iterations, lacks the wanted one, or is of a form that the
            installed release does not load.
    """
    settings = getattr(container, "checkpoint", None)
    named = getattr(settings, "pretrained_checkpoint", None)
    if not named or "://" in str(named):
        return
    place = Path(named)
    if not place.is_dir():
        what = f"The model {reference}" if reference else "The model"
        raise ConfigError(
            f"{what} is not at {place} any more."
            if reference
            else f"There is no model at {place}.",
            where=_KEY,
            hint="Was it moved or deleted, or is its disk not mounted here? "
            "Another version: --art.model NAME:vN.",
        )
    _check_form(place)
    step = getattr(settings, "ckpt_step", None)
    if step is not None:
        _check_step(place, int(step))


def require_model(container: Any) -> None:
    """Refuse to fine-tune from nothing, which some releases do with random weights.

    Args:
        container: The framework's configuration, complete.

    Raises:
        ConfigError: It names no checkpoint to start from, and has none of its own to go on from.
    """
    settings = container.checkpoint
    if settings.pretrained_checkpoint or _has_checkpoint(settings.load):
        return
    own = f", and {settings.load} has no checkpoint to go on from" if settings.load else ""
    raise ConfigError(
        f"No model is named to start from{own}.",
        where=_KEY,
        hint="Name one: --art.model NAME:VERSION.",
    )


def _has_checkpoint(load: Any) -> bool:
    if not load or "://" in str(load):
        return bool(load)
    return any((Path(load) / name).is_file() for name in (TRACKER_FILE, _TRAIN_STATE))


def _check_form(place: Path) -> None:
    if _ITERATION.fullmatch(place.name):
        _require("is_checkpoint_iteration_directory", "one iteration's directory", place.parent)
    elif (place / _HF_CONFIG).is_file():
        _require("is_hf_checkpoint_dir", "Hugging Face models", None)
    elif not (place / _TRAIN_STATE).is_file():
        _check_iterations(place)


def _check_step(place: Path, step: int) -> None:
    if _ITERATION.fullmatch(place.name):
        raise ConfigError(
            f"{place} is one iteration alone, so there is no {step} to choose.",
            where="checkpoint.ckpt_step",
            hint=f"Leave it out, or give {place.parent} as {_KEY}.",
        )
    if not (place / f"iter_{step:07d}").is_dir():
        raise ConfigError(
            f"The model has no iteration {step}; it has {_listed(place)}.",
            where="checkpoint.ckpt_step",
        )


def _check_iterations(place: Path) -> None:
    try:
        latest = read_latest(place)
    except ArtifactError as error:
        raise ConfigError(error.what, where=error.where) from error
    if latest is not None or (place / TRACKER_FILE).is_file():
        return
    found = _listed(place)
    if found:
        raise ConfigError(
            f"{place} has {found} and no {TRACKER_FILE}, so no iteration is loaded.",
            where=_KEY,
            hint=f"Write the iteration's number into {TRACKER_FILE}.",
        )
    raise ConfigError(
        f"{place} is no checkpoint: it has no iterations (iter_NNNNNNN).",
        where=_KEY,
        hint="Give the save directory of a training run.",
    )


def _require(helper: str, what: str, instead: Path | None) -> None:
    # The framework got the function together with the ability.
    if has_module(_HELPERS) and hasattr(importlib.import_module(_HELPERS), helper):
        return
    hint = "Convert the model to a Megatron checkpoint first."
    if instead is not None:
        hint = f"Give {instead}, and the step as checkpoint.ckpt_step."
    raise ConfigError(f"{described()} does not load {what}.", where=_KEY, hint=hint)


def _listed(place: Path) -> str:
    return ", ".join(sorted(each.name for each in place.glob("iter_*")))
