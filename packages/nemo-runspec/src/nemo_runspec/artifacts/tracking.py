"""The active tracking of a process: where artifacts are recorded and references resolved.

The two functions that scripts use are :func:`setup_artifact_tracking` and :func:`log_artifact`.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf

from nemo_runspec import run_result
from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.local import resolve_path
from nemo_runspec.artifacts.opening import active_tracking, open_tracking
from nemo_runspec.artifacts.reference import SCHEME, check_artifact_name
from nemo_runspec.artifacts.scope import CURRENT
from nemo_runspec.artifacts.session import ArtifactTrackingResult
from nemo_runspec.artifacts.settings import EMBEDDED_ROOT, TrackingSettings, environment_settings
from nemo_runspec.artifacts.tracker import Lineage, LoggedArtifact
from nemo_runspec.distributed import in_scheduled_job

__all__ = [
    "ArtifactTrackingResult",
    "current_tracking",
    "log_artifact",
    "log_artifact_once",
    "setup_artifact_tracking",
]

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Artifact)


def setup_artifact_tracking(
    config: DictConfig | Mapping[str, Any], artifacts_key: str = "run"
) -> ArtifactTrackingResult:
    """Start the tracking that a configuration asks for, and resolve its references.

    Call it early, before the configuration becomes a dataclass. The result is also the
    process's current tracking; use it in a ``with`` block to go back afterwards.

    Args:
        config: A configuration whose ``artifacts`` section names the backends.
        artifacts_key: The section that holds the references, ``run.data`` for example.

    Raises:
        ArtifactNotFoundError: A reference means nothing.
        MissingDependencyError: A backend is asked for that is not installed.
        StoreError: The manifest root cannot be used.
    """
    from nemo_runspec.resolvers.registration import start_tracking

    return start_tracking(_as_config(config), artifacts_key=artifacts_key)


def current_tracking() -> ArtifactTrackingResult:
    """The latest tracking that was set up, in this process or in another one of its job.

    A spawned worker finds that of its job through ``NEMOTRON_RUN_DIR``. Where no process set one
    up, it is the environment's: ``NEMOTRON_ARTIFACTS_ROOT``, env.toml, and on a machine of your
    own ``./artifacts``. A job on a cluster has no such default.
    """
    active = active_tracking()
    return CURRENT.get_or_open(_default_tracking) if active is None else active


def log_artifact(
    artifact: Artifact,
    tracking: ArtifactTrackingResult | None = None,
    *,
    name: str | None = None,
) -> LoggedArtifact:
    """Record an artifact in every active backend.

    What was resolved under the tracking so far, by any process of the job, becomes its pinned
    inputs. ``metadata.json`` is written beside the data where that exists and is writable, and
    the artifact learns its name and version. Every call is a new version: in a distributed job
    one rank calls this, not all.

    Args:
        artifact: What to record.
        tracking: Where; by default the current tracking.
        name: The name to record under; by default the artifact's own, else the recipe's output
            name, else the artifact's type.

    Returns:
        The receipt; its ``ref`` is the pinned reference, such as ``nano3-sft-data:v2``.

    Raises:
        InvalidReferenceError: The name is no artifact name.
        StoreError: The manifest could not be written; no half version is left.
    """
    active = current_tracking() if tracking is None else tracking
    return _log(artifact, active, _name_for(artifact, active, name))


def log_artifact_once(
    artifact: Artifact,
    tracking: ArtifactTrackingResult | None = None,
    *,
    name: str | None = None,
) -> LoggedArtifact:
    """Record an artifact unless the latest version of its name records the same already.

    The same means: type, path, fields, metadata and inputs. A rerun that found its outputs in
    the cache does not grow a new version.

    Args:
        artifact: What to record.
        tracking: Where; by default the current tracking.
        name: As for :func:`log_artifact`.
    """
    active = current_tracking() if tracking is None else tracking
    chosen = _name_for(artifact, active, name)
    if not active.manifest:
        return _log(artifact, active, chosen)
    lineage = active.lineage_of(artifact)
    logged = active.find_recorded(artifact, chosen, lineage)
    if logged is None:
        return _log(artifact, active, chosen, lineage)
    active.move_aliases(logged)
    _learn(artifact, logged)
    _report(artifact, logged, active)
    return logged


def load_artifact(uri: str, artifact_type: type[A]) -> A:
    """Load an artifact through a reference, and note it as an input of the current tracking.

    Args:
        uri: A reference, with or without ``art://``.
        artifact_type: The class that is expected.

    Raises:
        ArtifactNotFoundError: There is no such artifact or version.
        ArtifactError: It has another type.
    """
    resolved = current_tracking().resolve(uri)
    return artifact_type.from_document(dict(resolved.document), where=resolved.where)


def load_place(path: str, artifact_type: type[A]) -> A:
    """Load an artifact from a path or URI, and note it as an input of the current tracking.

    Args:
        path: The artifact's folder; an ``art://`` reference works too.
        artifact_type: The class that is expected.

    Raises:
        ArtifactNotFoundError: The path does not exist.
        ArtifactError: The metadata is missing, damaged or of another type.
    """
    if path.startswith(SCHEME):
        return load_artifact(path, artifact_type)
    found = resolve_path(path)
    loaded = artifact_type.from_document({**found.document, "path": path}, where=path)
    current_tracking().note_input(found)
    return loaded


def _name_for(artifact: Artifact, active: ArtifactTrackingResult, name: str | None) -> str:
    return check_artifact_name(name or artifact.name or active.output_name or artifact.type)


def _log(
    artifact: Artifact,
    active: ArtifactTrackingResult,
    name: str,
    lineage: Lineage | None = None,
) -> LoggedArtifact:
    logged = active.record(artifact, name, lineage)
    _learn(artifact, logged)
    artifact.write_metadata()
    _report(artifact, logged, active)
    return logged


def _as_config(config: DictConfig | Mapping[str, Any]) -> DictConfig:
    return config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))


def _default_tracking() -> ArtifactTrackingResult:
    return open_tracking(_default_settings(), config=OmegaConf.create({}))


def _default_settings() -> TrackingSettings:
    settings = environment_settings()
    if settings.root is not None or settings.wandb:
        return settings
    if in_scheduled_job():
        logger.warning("Nothing is recorded: this job has no artifacts.manifest.root.")
        return settings
    root = Path.cwd() / EMBEDDED_ROOT
    if multiprocessing.parent_process() is None:
        logger.info("No artifact root is configured; using %s.", root)
    else:
        logger.warning(
            "This process knows nothing of the tracking of the one that started it, and records "
            "in %s: set NEMOTRON_RUN_DIR before both start, or call setup_artifact_tracking here.",
            root,
        )
    return TrackingSettings(root=str(root))


def _learn(artifact: Artifact, logged: LoggedArtifact) -> None:
    artifact.name, artifact.version = logged.name, logged.version
    artifact.created_at = logged.created_at or artifact.created_at
    artifact.producer = logged.producer or artifact.producer


def _report(artifact: Artifact, logged: LoggedArtifact, active: ArtifactTrackingResult) -> None:
    run_result.record_artifact(
        {
            "ref": logged.ref,
            "type": artifact.type,
            "path": str(artifact.path),
            "manifest_path": logged.manifest_path,
            "reused": logged.reused,
            "url": logged.url,
        }
    )
    if active.missing_manifest is not None:
        run_result.record_missing_manifest(active.missing_manifest)
