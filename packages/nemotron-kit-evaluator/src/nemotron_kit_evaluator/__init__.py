"""NeMo Evaluator adapter for Nemotron recipes."""

from __future__ import annotations
