"""Ask NeMo Evaluator: which tasks it has, and for the scores of one."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nemo_runspec.atomic import write_atomically
from nemo_runspec.errors import ConfigError, ExecutionError
from nemo_runspec.suggest import did_you_mean
from nemotron_kit_evaluator.config import EndpointConfig, EvalConfig, EvaluatorConfig, TaskConfig
from nemotron_kit_evaluator.processes import Program, running
from nemotron_kit_evaluator.server import ended

logger = logging.getLogger(__name__)

RESULTS = "results.yml"
LOG = "evaluator.log"
_RUN_CONFIG = "nemotron_run_config.yml"
_BETWEEN_LOOKS_S = 0.25
_HARNESS = re.compile(r"^([^\s*:]+):\s*$")
_TASK = re.compile(r"^\s+\*\s+(\S+)\s*$")
_ROUTES = {
    "chat": "chat/completions",
    "completions": "completions",
    "completions_logprob": "completions",
}


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task, ready to be run.

    Attributes:
        task: The task.
        folder: Where its results go.
        request: The document that ``nemo-evaluator run_eval --run_config`` reads.
    """

    task: TaskConfig
    folder: Path
    request: Mapping[str, Any]


def list_tasks(config: EvaluatorConfig, *, log: Path) -> dict[str, list[str]]:
    """Ask which tasks there are.

    Args:
        config: The evaluator.
        log: The file that keeps what it writes.

    Returns:
        Harness to the names of its tasks.

    Raises:
        ExecutionError: It cannot be started, or has no harness.
    """
    with running([*config.command, "ls"], log=log, environment=config.env) as program:
        code = program.wait()
    tasks = read_task_list(log.read_text(encoding="utf-8", errors="replace"))
    if code or not tasks:
        raise ExecutionError(
            f"NeMo Evaluator lists no task; it ended with exit code {code}.",
            where=str(log),
            hint=f"Its last lines:{program.last_lines()}",
        )
    return tasks


def read_task_list(text: str) -> dict[str, list[str]]:
    """Read what ``nemo-evaluator ls`` prints: harnesses, each with its tasks below."""
    found: dict[str, list[str]] = {}
    harness = ""
    for line in text.splitlines():
        if heading := _HARNESS.match(line):
            harness = heading[1]
        elif (task := _TASK.match(line)) and harness:
            found.setdefault(harness, []).append(task[1])
    return found


def check_tasks(tasks: Iterable[TaskConfig], available: Mapping[str, Sequence[str]]) -> None:
    """Refuse a task that no harness has, or that several have, before anything is started.

    Args:
        tasks: What is wanted.
        available: What there is, as :func:`list_tasks` gives it.

    Raises:
        ConfigError: Such a task.
    """
    full = [f"{harness}.{name}" for harness, names in available.items() for name in names]
    bare = [name for names in available.values() for name in names]
    for task in tasks:
        if task.name in full or bare.count(task.name) == 1:
            continue
        if task.name in bare:
            choices = ", ".join(name for name in full if name.endswith(f".{task.name}"))
            raise ConfigError(
                f"Several harnesses have a task {task.name!r}.",
                where="tasks",
                hint=f"Name one: {choices}",
            )
        close = did_you_mean(task.name, full if "." in task.name else bare)
        raise ConfigError(
            f"NeMo Evaluator has no task {task.name!r} here.",
            where="tasks",
            hint=close or f"`nemo-evaluator ls` lists them; harnesses: {', '.join(available)}.",
        )


def prepare(task: TaskConfig, config: EvalConfig) -> TaskRun:
    """Put together what one task is asked for.

    Args:
        task: The task.
        config: The evaluation that it is part of.
    """
    folder = config.results_dir.absolute() / task.name
    endpoint = config.endpoint
    request = {
        "config": {
            "type": task.name,
            "output_dir": str(folder),
            "params": {**config.params, **task.params},
        },
        "target": {"api_endpoint": _target(endpoint, task.type or endpoint.type)},
        # Whatever stands here makes the evaluator add its own version to the results.
        "metadata": {"versioning": {"served_by": _served_by(config)}},
    }
    return TaskRun(task, folder, request)


def run_task(run: TaskRun, evaluator: EvaluatorConfig, server: Program | None) -> Path:
    """Run one task to its end.

    Args:
        run: The task.
        evaluator: What runs it.
        server: What answers it; None where that is not ours.

    Returns:
        The results file that it wrote.

    Raises:
        ExecutionError: The evaluator or the server ended, or there are no results.
    """
    results, log = run.folder / RESULTS, run.folder / LOG
    request = _write_request(run)
    # A file from before would be read as the result of this run.
    results.unlink(missing_ok=True)
    command = [*evaluator.command, "run_eval", "--run_config", str(request)]
    logger.info("Running %s; its output is in %s.", run.task.name, log)
    with running(command, log=log, environment=evaluator.env) as program:
        code = _wait_for(program, server, run.task.name)
    if code or not results.is_file():
        problem = f"ended with exit code {code}" if code else f"wrote no {RESULTS}"
        raise ExecutionError(
            f"{run.task.name} {problem}.",
            where=str(log),
            hint=f"Its last lines:{program.last_lines()}",
        )
    return results


def _write_request(run: TaskRun) -> Path:
    """Write what is asked for, where nothing else was asked for before.

    The evaluator keeps answers in the task's folder, and takes them again for equal questions: of
    the same job that starts again, but not of another model.
    """
    file = run.folder / _RUN_CONFIG
    content = yaml.safe_dump(dict(run.request), sort_keys=False).encode()
    if file.is_file() and file.read_bytes() != content:
        raise ExecutionError(
            f"The answers of another evaluation are kept in {run.folder}.",
            where="results_dir",
            hint="Choose another folder with results_dir=PATH.",
        )
    run.folder.mkdir(parents=True, exist_ok=True)
    write_atomically(file, content)
    return file


def _wait_for(program: Program, server: Program | None, task: str) -> int:
    """Wait for the evaluator, which would ask a server that is gone again and again."""
    while not program.ended_within(_BETWEEN_LOOKS_S):
        if server is not None and server.exit_code is not None:
            raise ended(server, f"during {task}")
    code = program.wait()
    # What the evaluator complains of then is that nobody answers.
    if code and server is not None and server.ended_within(_BETWEEN_LOOKS_S):
        raise ended(server, f"during {task}")
    return code


def _served_by(config: EvalConfig) -> str:
    return config.endpoint.url if config.server is None else shlex.join(config.server.command)


def _target(endpoint: EndpointConfig, kind: str) -> dict[str, Any]:
    target = {
        "url": f"{endpoint.url.rstrip('/')}/{_ROUTES[kind]}",
        "model_id": endpoint.model_id,
        "type": kind,
        "api_key_name": endpoint.api_key_name,
        "adapter_config": dict(endpoint.adapter_config) or None,
    }
    return {key: value for key, value in target.items() if value is not None}
