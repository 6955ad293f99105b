"""The forms in which weights lie on disk; only the standard library is needed to tell them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

ModelFormat = Literal["megatron", "hf", "dcp"]
"""How a model is stored.

``megatron``: Megatron's distributed checkpoint, ``iter_NNNNNNN`` in a save directory, or below
``policy/weights`` of a NeMo-RL step. ``hf``: a Hugging Face folder, ``config.json`` and whole
weights. ``dcp``: what NeMo-RL's DTensor backend writes, PyTorch's distributed checkpoint.
"""

MODEL_FORMATS: tuple[ModelFormat, ...] = get_args(ModelFormat)

_ITERATIONS = "iter_*"
_STEP = re.compile(r"step_([0-9]{1,18})")
_HF_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


def format_on_disk(folder: Path) -> ModelFormat | None:
    """Look at a model's folder, without reading its weights.

    Args:
        folder: A save directory, the directory of one step in it, or a Hugging Face folder.

    Returns:
        Its format; None where the folder cannot be read or has another layout.
    """
    if (folder / "config.json").is_file() and _has_any(folder, _HF_WEIGHTS):
        return "hf"
    if folder.match(_ITERATIONS) or _has_any(folder, (_ITERATIONS,)):
        return "megatron" if folder.is_dir() else None
    if (folder / "policy").is_dir():
        return nemo_rl_format(folder)
    steps = {
        int(match[1]): path for path in _folders(folder) if (match := _STEP.fullmatch(path.name))
    }
    return nemo_rl_format(steps[max(steps)]) if steps else None


def nemo_rl_format(step: Path) -> ModelFormat | None:
    """Look at one step of NeMo-RL's.

    Args:
        step: The directory ``step_N``.

    Returns:
        What its backend writes; None where there are no weights.
    """
    weights = step / "policy" / "weights"
    # The Megatron backend nests its own iteration directories below the weights.
    if _has_any(weights, (_ITERATIONS,)):
        return "megatron"
    return "dcp" if weights.is_dir() else None


def _has_any(folder: Path, patterns: Sequence[str]) -> bool:
    return any(next(folder.glob(pattern), None) is not None for pattern in patterns)


def _folders(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*") if path.is_dir())
