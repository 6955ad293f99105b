"""Convert a model with a framework's own exporter: once, whole or not at all, and recorded.

:func:`find_model` says what is to be converted, :func:`convert_model` has an exporter write it,
and :meth:`ConvertedModel.artifact` is what a recipe logs.
"""

from __future__ import annotations

from nemo_runspec.conversion.exporting import ConvertedModel, convert_model
from nemo_runspec.conversion.source import SourceModel, find_model
from nemo_runspec.conversion.tokenizers import copy_tokenizer

__all__ = ["ConvertedModel", "SourceModel", "convert_model", "copy_tokenizer", "find_model"]
