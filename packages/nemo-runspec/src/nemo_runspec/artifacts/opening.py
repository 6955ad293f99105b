"""Open a tracking: from a configuration, or from what another process of the job set up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts.aliases import read_aliases
from nemo_runspec.artifacts.backends import BackendSetup, ResolutionMode, open_tracker
from nemo_runspec.artifacts.scope import CURRENT
from nemo_runspec.artifacts.session import ArtifactTrackingResult
from nemo_runspec.artifacts.settings import TrackingSettings
from nemo_runspec.artifacts.shared import read_announced
from nemo_runspec.artifacts.tracker import Tracker
from nemo_runspec.distributed.folders import digest, job_folder, run_directory
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.packaged import packaged_provenance
from nemo_runspec.provenance import (
    collect_script,
    collect_software,
    config_digest,
    config_values,
)


def open_tracking(
    settings: TrackingSettings,
    *,
    config: DictConfig,
    artifacts_key: str = "run",
    mode: ResolutionMode | None = None,
) -> ArtifactTrackingResult:
    """Open the backends of a configuration.

    Args:
        settings: The backends.
        config: The configuration: its output name and provenance are read.
        artifacts_key: The section that holds them.
        mode: How W&B looks references up; None where it decides.

    Raises:
        MissingDependencyError: A backend is asked for that is not installed.
        StoreError: The manifest root cannot be used.
    """
    return ArtifactTrackingResult(
        settings,
        manifest_tracker=open_manifests(settings),
        wandb_tracker=open_wandb(settings, mode),
        output_name=_text(config, f"{artifacts_key}.output"),
        aliases=read_aliases(config, artifacts_key),
        provenance=_recorded_provenance(config, artifacts_key),
    )


def open_manifests(settings: TrackingSettings) -> ManifestTracker | None:
    """Open the manifest backend, where it is on.

    Raises:
        StoreError: The root cannot be used.
    """
    if settings.root is None:
        return None
    return ManifestTracker(settings.root, single_writer=settings.single_writer)


def open_wandb(settings: TrackingSettings, mode: ResolutionMode | None = None) -> Tracker | None:
    """Open the W&B backend, where it is on; beside manifests it is the best-effort one.

    Args:
        settings: The backends.
        mode: How it looks references up; None where it decides.

    Raises:
        MissingDependencyError: No installed distribution offers it.
    """
    if not settings.wandb:
        return None
    setup = BackendSetup(
        settings=settings.wandb_section,
        best_effort=settings.root is not None,
        run_dir=run_directory(),
        mode=mode,
        manifest_root=settings.root,
    )
    return open_tracker("wandb", setup)


def join_tracking(environ: Mapping[str, str] | None = None) -> ArtifactTrackingResult | None:
    """Open the tracking that another process of this job set up.

    Args:
        environ: The environment that names the run directory; by default the process's own.

    Returns:
        None where this process belongs to no job, or the job has no tracking.

    Raises:
        MissingDependencyError: A backend of it is not installed here.
        StoreError: Its manifest root cannot be used from here.
    """
    folder = job_folder(environ)
    shared = None if folder is None else read_announced(folder)
    if folder is None or shared is None:
        return None
    settings = TrackingSettings(**shared.settings)
    joined = ArtifactTrackingResult(
        settings,
        manifest_tracker=open_manifests(settings),
        wandb_tracker=open_wandb(settings),
        output_name=shared.output_name,
        aliases=shared.aliases,
        provenance=shared.provenance,
    )
    joined.qualified_names = list(shared.qualified_names)
    joined.share(folder, shared.folder)
    return joined


def active_tracking() -> ArtifactTrackingResult | None:
    """The process's current tracking; where it has none, its job's, which becomes current."""
    return CURRENT.get_or_open(join_tracking)


def share_tracking(
    tracking: ArtifactTrackingResult, artifacts_key: str, references: Sequence[str]
) -> None:
    """Have a tracking in common with the other processes of the job, where there are some.

    Every process knows it by its backends, its output, its recipe and its references, and by how
    many such the program set up before. Another step of the same job, which makes something
    else, is another tracking and reads ``latest`` for itself.

    Args:
        tracking: The tracking, just opened.
        artifacts_key: The section that its references come from.
        references: What its configuration refers to.
    """
    recipe = tracking.provenance.get("runspec")
    settings = asdict(tracking.settings)
    identity = [settings, artifacts_key, tracking.output_name, recipe, references]
    tracking.topic = json.dumps(identity)
    folder = job_folder()
    if folder is not None:
        ordinal = CURRENT.ordinal(tracking.topic)
        tracking.share(folder, f"tracking-{digest([tracking.topic, str(ordinal)])}")


def _recorded_provenance(config: DictConfig, artifacts_key: str) -> dict[str, Any] | None:
    if not config:
        return None
    content: Any = OmegaConf.to_container(config, resolve=False)
    section = OmegaConf.select(config, f"{artifacts_key}.provenance")
    if isinstance(section, DictConfig):
        recorded: Any = OmegaConf.to_container(section, resolve=True)
        if packaged_provenance() is not None:
            # It was written elsewhere: the software is another, and overrides may have been given.
            recorded |= {**collect_software(), "config_digest": config_digest(content)}
    else:
        recorded = {**collect_script(), "config_digest": config_digest(content)}
        recorded |= _image(content.get(artifacts_key))
    return {**recorded, "config_values": config_values(content)}


def _image(run: Any) -> dict[str, Any]:
    environment = run.get("env") if isinstance(run, Mapping) else None
    image = environment.get("container") if isinstance(environment, Mapping) else None
    return {"image": image} if image else {}


def _text(config: DictConfig, key: str) -> str | None:
    value = OmegaConf.select(config, key)
    return value if isinstance(value, str) and value else None
