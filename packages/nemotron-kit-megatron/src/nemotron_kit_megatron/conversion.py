"""Megatron checkpoints as Hugging Face models, by Megatron-Bridge's own exporter.

It runs in one process. The weights stay in the machine's memory, all of them at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf

from nemo_runspec.config import load_omegaconf_yaml
from nemo_runspec.conversion import copy_tokenizer
from nemo_runspec.errors import ConfigError, ExecutionError
from nemotron_kit_megatron.versions import PACKAGE, described

Architecture = Literal["reference", "checkpoint"]

_ITERATION = "iter_"
_RUN_CONFIG = "run_config.yaml"
_BELOW_A_STEP = ("policy", "weights")
_FROM_CHECKPOINT = "from_auto_config"


@dataclass(frozen=True, slots=True)
class MegatronExporter:
    """Exports Megatron checkpoints, NeMo-RL's among them.

    Attributes:
        hf_model: The reference: a model of the Hub or a folder, of the same architecture. It
            gives the configuration, the tokenizer, and which weights lie in which file.
        architecture: ``reference`` where the checkpoint has the shape of the reference;
            ``checkpoint`` where it has its own, a smaller one for example.
        strict: Whether every weight of the reference has to be there, and no other.
        trust_remote_code: Whether code in the reference may be run.
    """

    hf_model: str
    architecture: Architecture = "reference"
    strict: bool = True
    trust_remote_code: bool = False

    @property
    def made_by(self) -> str:
        """Its name and release."""
        return described()

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides how its result looks."""
        return asdict(self)

    def __call__(self, checkpoint: Path, folder: Path) -> None:
        """Write the model of one step.

        Args:
            checkpoint: The directory of the step: Megatron's ``iter_NNNNNNN``, or NeMo-RL's
                ``step_N``.
            folder: Where the model is written.

        Raises:
            ExecutionError: The installed release cannot do it.
            ConfigError: There is no such architecture.
        """
        weights = megatron_directory(checkpoint)
        self._bridge(weights).export_ckpt(
            megatron_path=str(weights),
            hf_path=str(folder),
            show_progress=False,
            strict=self.strict,
        )
        for tokenizer in _trained_with(checkpoint, weights):
            copy_tokenizer(tokenizer, folder)

    def _bridge(self, weights: Path) -> Any:
        bridge = importlib.import_module(PACKAGE).AutoBridge
        if self.architecture == "reference":
            return bridge.from_hf_pretrained(
                self.hf_model, trust_remote_code=self.trust_remote_code
            )
        if self.architecture != "checkpoint":
            raise ConfigError(
                f"There is no architecture {self.architecture!r}.",
                where="architecture",
                hint="Use reference or checkpoint.",
            )
        make = getattr(bridge, _FROM_CHECKPOINT, None)
        if make is None:
            raise ExecutionError(
                f"{described()} cannot export a model that has another shape than {self.hf_model}.",
                where="architecture",
                hint="Releases from 0.5 can; name a container that brings one: "
                "run.env.container=IMAGE.",
            )
        return make(str(weights), self.hf_model, trust_remote_code=self.trust_remote_code)


def megatron_directory(checkpoint: Path) -> Path:
    """The directory of the weights that Megatron wrote.

    Args:
        checkpoint: Megatron's own directory of one iteration, or a NeMo-RL ``step_N``, below
            which it is nested.

    Raises:
        ExecutionError: There are no such weights.
    """
    nested = checkpoint.joinpath(*_BELOW_A_STEP)
    if not nested.is_dir():
        return checkpoint
    found = sorted(nested.glob(f"{_ITERATION}*"))
    if not found:
        raise ExecutionError(
            "These weights are not Megatron's; NeMo-RL's DTensor backend wrote them.",
            where=str(nested),
        )
    return found[-1]


def _trained_with(checkpoint: Path, weights: Path) -> list[Path]:
    """The folder of the tokenizer that the model was trained with, where it is known and there."""
    beside = checkpoint / "policy" / "tokenizer"
    written = weights / _RUN_CONFIG
    named = (
        OmegaConf.select(load_omegaconf_yaml(written), "tokenizer.tokenizer_model")
        if written.is_file()
        else None
    )
    return [path for path in (beside, Path(str(named))) if path.is_dir()][:1]
