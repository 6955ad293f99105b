"""Read what NeMo Evaluator leaves: ``results.yml``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nemo_runspec.errors import ExecutionError

Scores = dict[str, float]


@dataclass(frozen=True, slots=True)
class TaskScores:
    """The scores of one task.

    Attributes:
        scores: Metric to value. A part of the task stands before its metric, with a slash.
        headline: The metrics of the task as a whole.
        evaluator_version: The release that wrote them; None where it does not say.
    """

    scores: Scores
    headline: tuple[str, ...]
    evaluator_version: str | None


def read_results(file: Path, task: str) -> TaskScores:
    """Read the scores of one task.

    Args:
        file: A ``results.yml``.
        task: The task that it belongs to: ``TASK`` or ``HARNESS.TASK``.

    Raises:
        ExecutionError: It cannot be read, has another shape, or holds no score.
    """
    document = _document(file)
    own = task.rpartition(".")[2]
    try:
        results = document["results"]
        groups = dict(_sections(results.get("groups") or {}))
        found = groups | dict(_sections(results.get("tasks") or {}))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _malformed(file, f"it has not the form of results: {error!r}") from error
    if not found:
        raise _malformed(file, "it holds no score")
    scores = {_label(part, metric, own): value for (part, metric), value in found.items()}
    wholes = [key for key in found if key[0] == own] or list(groups) or list(found)
    headline = tuple(_label(part, metric, own) for part, metric in wholes)
    return TaskScores(scores, headline, _version(document))


def _document(file: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _malformed(file, str(error).splitlines()[0]) from error
    if not isinstance(document, Mapping):
        raise _malformed(file, "it holds no mapping")
    return document


def _sections(
    section: Mapping[str, Any], above: str = ""
) -> Iterator[tuple[tuple[str, str], float]]:
    """Every score below: the part of the task and the metric, to the value."""
    for name, content in section.items():
        part = f"{above}/{name}" if above else str(name)
        for metric, measured in (content.get("metrics") or {}).items():
            for kind, score in measured["scores"].items():
                label = str(metric) if kind == metric else f"{metric}_{kind}"
                yield (part, label), _number(score["value"], f"{part}/{label}")
        yield from _sections(content.get("groups") or {}, part)


def _number(value: Any, label: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{label} is {number}")
    return number


def _label(part: str, metric: str, own: str) -> str:
    return metric if part == own else f"{part}/{metric}"


def _version(document: Mapping[str, Any]) -> str | None:
    metadata = document.get("metadata")
    versioning = metadata.get("versioning") if isinstance(metadata, Mapping) else None
    version = versioning.get("nemo_evaluator") if isinstance(versioning, Mapping) else None
    return None if version is None else str(version)


def _malformed(file: Path, problem: str) -> ExecutionError:
    return ExecutionError(f"The results cannot be read: {problem}.", where=str(file))
