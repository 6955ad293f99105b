"""What a look at a model's folder found, before its step is agreed on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.errors import ArtifactError
from nemo_runspec.model_formats import ModelFormat


@dataclass(frozen=True, slots=True)
class FoundCheckpoint:
    """A checkpoint of a known layout.

    Attributes:
        save_dir: The directory that loaders want.
        own: The directory of this one step.
        framework: What wrote it.
        format: ``megatron``, ``hf`` or ``dcp``.
        step: The step that it says it was saved at; None where it does not.
        told_by: What says so, for messages.
        notes: What whoever imports it should know.
    """

    save_dir: Path
    own: Path
    framework: str
    format: ModelFormat
    step: int | None
    told_by: str
    notes: tuple[str, ...] = ()


def require_files(folder: Path, what: str) -> None:
    """Refuse a folder that holds no file, at any depth.

    Raises:
        ArtifactError: It is missing or empty.
    """
    if not folder.is_dir():
        raise ArtifactError(f"There is no {what}.", where=str(folder))
    if not any(path.is_file() for path in folder.rglob("*")):
        raise ArtifactError(f"The {what} holds no files.", where=str(folder))
