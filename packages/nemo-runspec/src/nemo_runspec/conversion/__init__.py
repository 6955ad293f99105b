"""Convert a model with a framework's own exporter: once, whole or not at all, and recorded.

:func:`find_model` says what is to be converted, :func:`convert_model` has an exporter write it,
and :attr:`ConvertedModel.artifact` is what a recipe logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.conversion.exporting import ConvertedModel as ConvertedModel
    from nemo_runspec.conversion.exporting import Exporter as Exporter
    from nemo_runspec.conversion.exporting import convert_model as convert_model
    from nemo_runspec.conversion.source import SourceModel as SourceModel
    from nemo_runspec.conversion.source import find_model as find_model
    from nemo_runspec.conversion.tokenizers import copy_tokenizer as copy_tokenizer

EXPORTS = {
    "ConvertedModel": "nemo_runspec.conversion.exporting:ConvertedModel",
    "Exporter": "nemo_runspec.conversion.exporting:Exporter",
    "SourceModel": "nemo_runspec.conversion.source:SourceModel",
    "convert_model": "nemo_runspec.conversion.exporting:convert_model",
    "copy_tokenizer": "nemo_runspec.conversion.tokenizers:copy_tokenizer",
    "find_model": "nemo_runspec.conversion.source:find_model",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
