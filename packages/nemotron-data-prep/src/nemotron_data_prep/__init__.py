"""Tokenise, mask, pack and split training data for Nemotron recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemotron_data_prep.config import PretrainPrepConfig as PretrainPrepConfig
    from nemotron_data_prep.config import RlPrepConfig as RlPrepConfig
    from nemotron_data_prep.config import SftPrepConfig as SftPrepConfig
    from nemotron_data_prep.config import SplitRatios as SplitRatios
    from nemotron_data_prep.inputs import resolve_inputs as resolve_inputs
    from nemotron_data_prep.pretrain.prepare import prepare_pretrain as prepare_pretrain
    from nemotron_data_prep.pretrain.preview import preview_pretrain as preview_pretrain
    from nemotron_data_prep.previewing.model import Preview as Preview
    from nemotron_data_prep.results import PrepResult as PrepResult
    from nemotron_data_prep.rl.prepare import prepare_rl as prepare_rl
    from nemotron_data_prep.rl.preview import preview_rl as preview_rl
    from nemotron_data_prep.sft.prepare import prepare_sft as prepare_sft
    from nemotron_data_prep.sft.preview import preview_sft as preview_sft

EXPORTS = {
    "Preview": "nemotron_data_prep.previewing.model:Preview",
    "PrepResult": "nemotron_data_prep.results:PrepResult",
    "PretrainPrepConfig": "nemotron_data_prep.config:PretrainPrepConfig",
    "RlPrepConfig": "nemotron_data_prep.config:RlPrepConfig",
    "SftPrepConfig": "nemotron_data_prep.config:SftPrepConfig",
    "SplitRatios": "nemotron_data_prep.config:SplitRatios",
    "prepare_pretrain": "nemotron_data_prep.pretrain.prepare:prepare_pretrain",
    "prepare_rl": "nemotron_data_prep.rl.prepare:prepare_rl",
    "prepare_sft": "nemotron_data_prep.sft.prepare:prepare_sft",
    "preview_pretrain": "nemotron_data_prep.pretrain.preview:preview_pretrain",
    "preview_rl": "nemotron_data_prep.rl.preview:preview_rl",
    "preview_sft": "nemotron_data_prep.sft.preview:preview_sft",
    "resolve_inputs": "nemotron_data_prep.inputs:resolve_inputs",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
