"""NeMo-RL's DTensor checkpoints as Hugging Face models, by NeMo-RL's own converter."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.config import load_omegaconf_yaml
from nemo_runspec.errors import ExecutionError
from nemotron_kit_nemorl.versions import is_installed

_METADATA = ".metadata"
_NEWER = "model"


@dataclass(frozen=True, slots=True)
class DcpExporter:
    """Exports what NeMo-RL's DTensor backend writes.

    Attributes:
        hf_model: The reference that gives the configuration; None for the model that the step's
            own ``config.yaml`` names.
    """

    hf_model: str | None = None

    @property
    def made_by(self) -> str:
        """Its name and release."""
        try:
            return f"NeMo-RL {version('nemo-rl')}"
        except PackageNotFoundError:
            return "NeMo-RL"

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides how its result looks."""
        return asdict(self)

    def __call__(self, checkpoint: Path, folder: Path) -> None:
        """Write the model of one step.

        Args:
            checkpoint: NeMo-RL's ``step_N``.
            folder: Where the model is written.

        Raises:
            ExecutionError: The step names no model, or its weights lie in a form that the
                installed NeMo-RL does not convert.
        """
        if not is_installed():
            raise ExecutionError(
                "NeMo-RL is not installed here, and only its converter reads this checkpoint.",
                where=str(checkpoint),
                hint="Name a container that brings it: run.env.container=IMAGE.",
            )
        weights, policy = _weights(checkpoint), _policy(checkpoint)
        model = self.hf_model or policy.get("model_name")
        if not model:
            raise ExecutionError(
                "The step does not say which model it was trained from.",
                where=str(checkpoint / "config.yaml"),
                hint="Name it: hf_model=NAME.",
            )
        tokenizer = checkpoint / "policy" / "tokenizer"
        named = (policy.get("tokenizer") or {}).get("name")
        overrides = policy.get("hf_overrides")
        given = {
            "dcp_ckpt_path": str(weights),
            "hf_ckpt_path": str(folder),
            "model_name_or_path": str(model),
            "tokenizer_name_or_path": str(tokenizer if tokenizer.is_dir() else named or model),
        }
        # 0.2 has no such argument.
        _convert(given | ({"hf_overrides": overrides} if overrides else {}), weights)


def _convert(given: Mapping[str, Any], weights: Path) -> None:
    convert = importlib.import_module("nemo_rl.utils.native_checkpoint").convert_dcp_to_hf
    try:
        convert(**given)
    except AssertionError as error:
        if weights.name != _NEWER:
            raise
        raise ExecutionError(
            "The installed NeMo-RL does not convert what its newer DTensor backend writes.",
            where=str(weights),
            hint="Releases from 0.6 do; name a container that brings one: run.env.container=IMAGE.",
        ) from error


def _weights(checkpoint: Path) -> Path:
    """The folder of PyTorch's checkpoint, which the newer backend writes one deeper."""
    weights = checkpoint / "policy" / "weights"
    for place in (weights, weights / _NEWER):
        if (place / _METADATA).is_file():
            return place
    raise ExecutionError(
        "NeMo-RL converts PyTorch's distributed checkpoints, and these are parts of safetensors.",
        where=str(weights),
        hint="Train with checkpointing.model_save_format=torch_save, or with "
        "checkpointing.save_consolidated=true and import the consolidated folder.",
    )


def _policy(checkpoint: Path) -> Mapping[str, Any]:
    file = checkpoint / "config.yaml"
    if not file.is_file():
        return {}
    found = OmegaConf.select(load_omegaconf_yaml(file), "policy")
    if not isinstance(found, DictConfig):
        return {}
    return cast("Mapping[str, Any]", OmegaConf.to_container(found))
