"""Recognise a model that was trained elsewhere."""

from __future__ import annotations

from pathlib import Path

from nemo_runspec.artifacts.types import ModelArtifact
from nemo_runspec.errors import ArtifactError, UsageError
from nemo_runspec.importing.description import IMPORTED, Description
from nemo_runspec.importing.found import FoundCheckpoint
from nemo_runspec.importing.huggingface import find_hf_model
from nemo_runspec.importing.iterations import find_iteration
from nemo_runspec.importing.places import existing_place, unreadable
from nemo_runspec.importing.recorded import Recorded, read_recorded

_LAYOUTS = (
    "A model is a Megatron save directory or one of its iter_NNNNNNN, a NeMo-RL step_N or the "
    "folder that holds them, or a Hugging Face folder with config.json and weights."
)


def describe_checkpoint(path: str | Path, *, step: int | None = None) -> Description:
    """Look at a model's folder, without reading its weights.

    Args:
        path: A Megatron save directory or the directory of one iteration in it; a NeMo-RL
            ``step_N`` or the directory that holds them; or a Hugging Face model folder.
        step: The training step. It may be left out where the checkpoint says it.

    Returns:
        A :class:`~nemo_runspec.artifacts.ModelArtifact` with the metadata that recorded
        checkpoints have. Where one step's directory was given, ``path`` is still the directory
        that loaders want, and metadata ``absolute_path`` the given one.

    Raises:
        UsageError: The step is not known, or the checkpoint says another one.
        ArtifactNotFoundError: The path does not exist.
        ArtifactError: It holds no model, or an unfinished or incomplete one.
    """
    place = existing_place(path)
    try:
        found = _find(place)
        agreed = _agreed_step(found, step)
        recorded = _record_of(found, agreed)
    except OSError as error:
        raise unreadable(place, error) from error
    loss = recorded.get("loss")
    artifact = ModelArtifact(
        path=found.save_dir,
        step=agreed,
        loss=float(loss) if isinstance(loss, int | float) else None,
        format=found.format,
        metadata={
            "absolute_path": str(found.own),
            "iteration": agreed,
            "framework": found.framework,
            IMPORTED: True,
        },
    )
    return Description(artifact, found.notes, recorded.ref)


def _find(place: Path) -> FoundCheckpoint:
    if not place.is_dir():
        raise ArtifactError("A model is a folder, and this is a file.", where=str(place))
    if not any(place.iterdir()):
        raise ArtifactError(
            "The folder is empty.",
            where=str(place),
            hint="Give the folder that holds the checkpoint.",
        )
    found = find_iteration(place) or find_hf_model(place)
    if found is None:
        raise ArtifactError("No model was found in this folder.", where=str(place), hint=_LAYOUTS)
    return found


def _agreed_step(found: FoundCheckpoint, wanted: int | None) -> int:
    if found.step is None:
        if wanted is not None:
            return wanted
        raise UsageError(
            "The checkpoint does not say at which step it was saved.",
            where=str(found.own),
            hint="Give it with --step N.",
        )
    if wanted is None or wanted == found.step:
        return found.step
    raise UsageError(
        f"Step {wanted} was given, and {found.told_by} says {found.step}.",
        where=str(found.own),
        hint="Leave --step out, or give the directory of the step that you mean.",
    )


def _record_of(found: FoundCheckpoint, step: int) -> Recorded:
    """The record of this very step; a save directory's is of the step that was recorded last."""
    recorded = read_recorded(found.save_dir, ModelArtifact.__name__)
    same = recorded.get("step") == step and recorded.get("absolute_path") == str(found.own)
    return recorded if same else Recorded(recorded.file)
