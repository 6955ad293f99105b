"""Check data that was prepared elsewhere, so that it can be recorded as an artifact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemotron_data_prep.importing.pretrain import (
        describe_pretrain_data as describe_pretrain_data,
    )
    from nemotron_data_prep.importing.rl import describe_rl_data as describe_rl_data
    from nemotron_data_prep.importing.sft import describe_sft_data as describe_sft_data

EXPORTS = {
    "describe_pretrain_data": "nemotron_data_prep.importing.pretrain:describe_pretrain_data",
    "describe_rl_data": "nemotron_data_prep.importing.rl:describe_rl_data",
    "describe_sft_data": "nemotron_data_prep.importing.sft:describe_sft_data",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
