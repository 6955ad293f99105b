"""The tasks of a job array: each has a folder of its own in the job's run directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.run_result import RunResult

# In a job's run directory; a pattern of the shell.
TASK_FOLDERS = "task_*"


def run_folders(job_dir: Path) -> list[Path]:
    """The run directory of a job, and those of its tasks where it is an array."""
    return [job_dir, *sorted(job_dir.glob(TASK_FOLDERS))]


def of_all_tasks(results: Mapping[str, RunResult]) -> RunResult:
    """Put together what the tasks of an array left.

    Args:
        results: What each left, by its number; of a job that is no array by an empty text.

    Returns:
        All artifacts, the rows of each task under its number, and the first error.
    """
    if set(results) <= {""}:
        return results.get("", RunResult())
    found = RunResult()
    missing: str | None = None
    error: dict[str, str | None] | None = None
    for task in sorted(results, key=_number):
        result = results[task]
        found.artifacts.extend(result.artifacts)
        found.summary.update(_named(task, result.summary))
        missing = missing or result.manifest_missing
        if error is None and result.error is not None:
            error = {**result.error, "what": f"Task {task}: {result.error['what']}"}
    return RunResult(found.artifacts, found.summary, missing, error)


def _named(task: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{key} (task {task})" if task else key: value for key, value in summary.items()}


def _number(task: str) -> int:
    return int(task) if task.isdigit() else -1
