"""Jobs whose machine does not have this one's files: what they record, and what they read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from omegaconf import DictConfig

from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.reference import looks_like_path
from nemo_runspec.artifacts.settings import read_settings
from nemo_runspec.execution.inputs import ArtifactInput
from nemo_runspec.execution.profiles import load_profile


def runs_elsewhere(profile: str) -> bool:
    """Whether the jobs of a profile run where this machine's files are not.

    Args:
        profile: Its name in env.toml.

    Raises:
        ProfileError: There is no such profile, it is malformed, or there is no env.toml.
    """
    return load_profile(profile).elsewhere


def seen_from_here(job: DictConfig) -> Callable[[str], bool]:
    """Tell the references whose meaning this machine knows from those that only the job's does.

    Args:
        job: The configuration of a job that runs elsewhere.

    Returns:
        What says of a reference or path whether it can be looked up here.
    """
    root = read_settings(job).root

    def visible(reference: str) -> bool:
        place = reference if looks_like_path(reference) else root
        folder = None if place is None else local_path(place)
        return folder is None or folder.expanduser().exists()

    return visible


def remarks(job: DictConfig, inputs: Iterable[ArtifactInput]) -> Iterator[str]:
    """Tell what is different for a job that runs elsewhere.

    Args:
        job: Its configuration.
        inputs: What it reads.
    """
    settings = read_settings(job)
    if settings.root is None and not settings.wandb:
        yield (
            "The job records no artifacts: it runs on another machine, and the store of this "
            "folder, ./artifacts, is not there. Set artifacts.manifest.root, in env.toml or with "
            "--root, to a place that both see."
        )
    unseen = [item for item in inputs if item.path is None]
    if unseen:
        asked = ", ".join(f"run.{item.key}={item.requested}" for item in unseen)
        yield (
            f"{asked} cannot be looked up from here; the job does it when it starts, and keeps "
            "what it found when it is started again."
        )
