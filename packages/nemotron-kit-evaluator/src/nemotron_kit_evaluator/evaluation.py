"""Run an evaluation: serve the model, run the tasks, keep what succeeded."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from nemo_runspec.errors import ExecutionError
from nemo_runspec.signals import orderly_end
from nemotron_kit_evaluator.config import EvalConfig
from nemotron_kit_evaluator.evaluator import TaskRun, check_tasks, list_tasks, prepare, run_task
from nemotron_kit_evaluator.installation import require_program
from nemotron_kit_evaluator.processes import Program
from nemotron_kit_evaluator.results import TaskScores, read_results
from nemotron_kit_evaluator.server import require_model, serving

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Evaluation:
    """What became of the tasks.

    Attributes:
        results: Task to its scores, of those that succeeded.
        failures: Task to what went wrong, of the others.
    """

    results: dict[str, TaskScores] = field(default_factory=dict)
    failures: dict[str, ExecutionError] = field(default_factory=dict)

    @property
    def evaluator_version(self) -> str | None:
        """The release of NeMo Evaluator that scored."""
        versions = (scores.evaluator_version for scores in self.results.values())
        return next(filter(None, versions), None)

    def require_success(self) -> None:
        """End with an error where a task failed.

        Raises:
            ExecutionError: Which failed, and how the first did.
        """
        if not self.failures:
            return
        first = next(iter(self.failures.values()))
        total = len(self.results) + len(self.failures)
        raise ExecutionError(
            f"{len(self.failures)} of {total} tasks failed: {', '.join(self.failures)}. "
            f"{first.what}",
            where=first.where,
            hint=first.hint,
        )


def evaluate(config: EvalConfig) -> Evaluation:
    """Serve the model where that is asked for, and run every task.

    A task that fails keeps no other from running, unless the server is gone. Whatever ends this,
    SIGTERM included, the server ends too.

    Args:
        config: The evaluation.

    Returns:
        The scores and the failures.

    Raises:
        NemotronError: Nothing could be run: a program is not installed, a task is unknown, the
            model is gone, the server does not come up.
    """
    _require_one_process()
    _require_programs(config)
    evaluation = Evaluation()
    with orderly_end():
        available = list_tasks(config.evaluator, log=config.results_dir / "tasks.log")
        check_tasks(config.tasks, available)
        with _server(config) as server:
            for task in config.tasks:
                _run(prepare(task, config), config, server, evaluation)
    return evaluation


def _require_one_process() -> None:
    processes = os.environ.get("WORLD_SIZE", "1")
    if processes != "1":
        raise ExecutionError(
            f"An evaluation is one process, and this job has {processes}.",
            where="run.env.ntasks_per_node",
            hint="Submit it with run.env.nodes=1 run.env.ntasks_per_node=1.",
        )


def _require_programs(config: EvalConfig) -> None:
    require_program(config.evaluator.command, key="evaluator.command")
    if config.server is not None:
        require_program(config.server.command, key="server.command")
        require_model(config.server)


@contextmanager
def _server(config: EvalConfig) -> Iterator[Program | None]:
    if config.server is None:
        yield None
        return
    with serving(config.server, config.results_dir / "server.log") as server:
        yield server


def _run(run: TaskRun, config: EvalConfig, server: Program | None, into: Evaluation) -> None:
    name = run.task.name
    if server is not None and server.exit_code is not None:
        into.failures[name] = ExecutionError(f"{name} was not run: the server had ended.")
        return
    try:
        file = run_task(run, config.evaluator, server)
        into.results[name] = read_results(file, name)
    except ExecutionError as error:
        logger.warning("%s", error)
        into.failures[name] = error
        return
    logger.info("%s: %s", name, _shown(into.results[name]))


def _shown(found: TaskScores) -> str:
    headline: Mapping[str, float] = {name: found.scores[name] for name in found.headline}
    return ", ".join(f"{name} {value:.4g}" for name, value in headline.items())
