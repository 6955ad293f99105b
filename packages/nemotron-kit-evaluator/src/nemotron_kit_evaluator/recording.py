"""Make an evaluation an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_runspec.artifacts import (
    ArtifactTrackingResult,
    EvalResultsArtifact,
    LoggedArtifact,
    log_artifact,
)
from nemo_runspec.container_paths import resolve_host_path
from nemo_runspec.run_result import record_summary
from nemotron_kit_evaluator.config import EvalConfig
from nemotron_kit_evaluator.evaluation import Evaluation

_LIMIT = "limit_samples"


def record_results(
    evaluation: Evaluation,
    config: EvalConfig,
    tracking: ArtifactTrackingResult | None = None,
    *,
    model: str | None = None,
) -> LoggedArtifact | None:
    """Record the scores of the tasks that succeeded, and show them in the completion panel.

    Args:
        evaluation: What became of the tasks.
        config: What was asked for.
        tracking: Where to record; by default the current tracking.
        model: The reference or path of the model; by default what the endpoint calls it.

    Returns:
        The recorded version; None where no task succeeded.
    """
    if not evaluation.results:
        return None
    artifact = EvalResultsArtifact(
        path=resolve_host_path(config.results_dir.absolute()),
        model=_pinned(model, tracking) or config.endpoint.model_id,
        scores={name: found.scores for name, found in evaluation.results.items()},
        failed_tasks=list(evaluation.failures),
        limit_samples=_limits(evaluation, config),
        evaluator_version=evaluation.evaluator_version,
        metadata=_flat(evaluation),
    )
    artifact.see_at(config.results_dir.absolute())
    for name, score in artifact.metadata.items():
        record_summary(name, score)
    if evaluation.failures:
        record_summary("failed tasks", list(evaluation.failures))
    return log_artifact(artifact, tracking)


def _pinned(model: str | None, tracking: ArtifactTrackingResult | None) -> str | None:
    if model is None or tracking is None:
        return model
    return tracking.resolve(model).ref or model


def _limits(evaluation: Evaluation, config: EvalConfig) -> dict[str, int | float]:
    asked: dict[str, Mapping[str, Any]] = {
        task.name: {**config.params, **task.params} for task in config.tasks
    }
    found = {name: asked[name].get(_LIMIT) for name in evaluation.results}
    return {name: limit for name, limit in found.items() if limit is not None}


def _flat(evaluation: Evaluation) -> dict[str, float]:
    """Each score of a whole task by one name, as ``${art:eval,TASK/METRIC}`` asks for it."""
    return {
        f"{name}/{metric}": found.scores[metric]
        for name, found in evaluation.results.items()
        for metric in found.headline
    }
