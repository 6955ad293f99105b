"""What a job's result is recorded under."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts.reference import ArtifactReference, is_reference, looks_like_path
from nemo_runspec.naming import NAME_PATTERN, derived_name, output_artifact_name
from nemo_runspec.runspec.model import Runspec


def name_output(config: DictConfig, recipe: Runspec, config_name: str) -> None:
    """Name what a recipe makes, where nothing else does: by itself, or after what it reads.

    Args:
        config: The configuration; ``run.output`` is set, unless it is already.
        recipe: The recipe.
        config_name: Name or path of its configuration.
    """
    if OmegaConf.select(config, "run.output", throw_on_resolution_failure=False):
        return
    pattern = NAME_PATTERN.fullmatch(recipe.artifacts.written_name or "")
    if pattern is None:
        output = output_artifact_name(recipe.name, config_name)
    else:
        key = pattern["key"]
        read = _name_read(config, key) or f"{recipe.words[0]}-{key}"
        output = derived_name(pattern.string, read)
    OmegaConf.update(config, "run.output", output, force_add=True)


def _name_read(config: DictConfig, key: str) -> str | None:
    """The name of what a recipe reads; None for a path, and where nothing is read."""
    text = OmegaConf.select(config, f"run.{key}", throw_on_resolution_failure=False)
    if not isinstance(text, str) or looks_like_path(text) or not is_reference(text):
        return None
    return ArtifactReference.parse(text).name
