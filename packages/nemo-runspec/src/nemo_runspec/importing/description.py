"""What an inspection of data or a model found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nemo_runspec.artifacts.base import Artifact

IMPORTED: Final = "imported"
"""The free-form value that tells an import's ``metadata.json`` from a preparation's."""


@dataclass(frozen=True, slots=True)
class Description:
    """An artifact that is ready to be recorded.

    Attributes:
        artifact: What was found, with its fields.
        notes: What whoever imports it should know; sentences.
        recorded_ref: The version that a record beside it speaks of, such as ``name:v2``.
        outside: Files and folders outside the artifact's own that it names, and needs.
    """

    artifact: Artifact
    notes: tuple[str, ...] = ()
    recorded_ref: str | None = None
    outside: tuple[str, ...] = ()
