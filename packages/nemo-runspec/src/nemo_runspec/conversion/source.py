"""The model that is to be converted: the directory of one step, looked at before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.session import ArtifactTrackingResult
from nemo_runspec.artifacts.tracker import ResolvedArtifact
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError
from nemo_runspec.importing.checkpoints import describe_checkpoint
from nemo_runspec.model_formats import ModelFormat


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A model that is to be converted.

    Attributes:
        named: Its pinned reference, or its path.
        label: The same as a part of a folder's name.
        checkpoint: The directory of its step.
        format: What lies there.
        step: The training step.
        loss: The training loss there.
    """

    named: str
    label: str
    checkpoint: Path
    format: ModelFormat
    step: int
    loss: float | None


def find_model(tracking: ArtifactTrackingResult, reference: str) -> SourceModel:
    """Find the checkpoint that a reference means, and see that it is whole.

    Args:
        tracking: Where the reference is looked up; the model becomes an input of what is recorded
            there.
        reference: A reference or a path.

    Raises:
        ArtifactNotFoundError: It means nothing, or its path is gone.
        ArtifactError: It is no model, an unfinished one, or in the wanted format already.
    """
    resolved = tracking.resolve(reference)
    named = resolved.ref or resolved.path
    place = _place(resolved, named)
    step = resolved.document.get("step")
    found = describe_checkpoint(place, step=step if isinstance(step, int) else None).artifact
    document = found.to_metadata()
    if document["format"] == "hf":
        raise ArtifactError(
            f"{named} is a Hugging Face model already: there is nothing to convert.",
            where=str(place),
        )
    checkpoint = Path(document["absolute_path"])
    loss = resolved.document.get("loss")
    return SourceModel(
        named=named,
        label=named.replace("/", "-").replace(":", "-") if resolved.ref else checkpoint.name,
        checkpoint=checkpoint,
        format=document["format"],
        step=int(document["step"]),
        loss=loss if isinstance(loss, int | float) else None,
    )


def _place(resolved: ResolvedArtifact, named: str) -> Path:
    recorded = str(resolved.document.get("absolute_path") or resolved.path)
    place = local_path(recorded)
    if place is None:
        raise ArtifactError(
            f"{named} lies on remote storage, and exporters read folders.",
            where=recorded,
            hint="Mount the storage, or copy the checkpoint to a folder that this machine sees.",
        )
    if not place.expanduser().exists():
        raise ArtifactNotFoundError(
            f"The checkpoint of {named} is gone, or is not seen from here.",
            where=recorded,
            hint="Name another version, or mount the folder: run.env.mounts.",
        )
    return place.expanduser()
