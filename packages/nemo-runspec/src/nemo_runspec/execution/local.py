"""Run a planned recipe on this machine, in a run directory of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.artifacts.backends import Delivery, find_backend
from nemo_runspec.config import save_configs
from nemo_runspec.config.secrets import hidden_variables
from nemo_runspec.distributed.folders import propose_run_directory
from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.command import require_launcher
from nemo_runspec.execution.ending import is_reused, last_manifest, was_interrupted, why_no_manifest
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.process import ChildStreams, run_child
from nemo_runspec.execution.requirements import require_dependencies
from nemo_runspec.execution.root_check import root_problem
from nemo_runspec.run_result import RUN_DIR_VARIABLE, RunResult, read_result


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A job whose run directory stands and whose script is about to start.

    Attributes:
        plan: What is run.
        run_dir: The job's own directory.
        job_config: The whole configuration, ``job.yaml``.
        train_config: What the script reads, ``train.yaml``.
        command: The program and its arguments.
    """

    plan: RecipePlan
    run_dir: Path
    job_config: Path
    train_config: Path
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a job ended.

    Attributes:
        run: The job.
        exit_code: 0 where it succeeded; 128 plus its number where a signal ended it.
        result: What the script left behind.
        root_problem: Why manifests could not be written, where a job failed because of that.
        deliveries: What of the job a service has, and what still waits for it.
    """

    run: PreparedRun
    exit_code: int
    result: RunResult
    root_problem: str | None = None
    deliveries: tuple[Delivery, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether the script ended well."""
        return self.exit_code == 0

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended the script before its own end."""
        return was_interrupted(self.exit_code)

    @property
    def manifest(self) -> str | None:
        """Where the last manifest lies; None where there is none."""
        return last_manifest(self.result)

    @property
    def reused(self) -> bool:
        """Whether everything that was recorded had been recorded before."""
        return is_reused(self.result)

    @property
    def missing_manifest(self) -> str | None:
        """Why there is no manifest, in one sentence; None where there is one."""
        return why_no_manifest(
            self.result,
            root=self.run.plan.manifest_root,
            succeeded=self.succeeded,
            problem=self.root_problem,
        )


def run_recipe(
    plan: RecipePlan,
    *,
    announce: Callable[[PreparedRun], None],
    streams: ChildStreams,
    environment: Mapping[str, str] | None = None,
) -> RunOutcome:
    """Run a recipe's script in a child process and wait for its end.

    Args:
        plan: The job.
        announce: Called once, right before the script starts.
        streams: Where the script's output goes.
        environment: The script's environment, before what the backends need and the run directory
            are added; by default this process's own.

    Raises:
        MissingDependencyError: A package that the recipe's header names is not installed.
        ExecutionError: torch or Ray is needed and absent, the run directory cannot be written,
            the script cannot be started, or its result cannot be read.
    """
    run = prepare_run(plan)
    announce(run)
    variables = os.environ if environment is None else environment
    code = run_child(
        run.command,
        environment={
            **variables,
            **hidden_variables(plan.job),
            **plan.checked.environment,
            RUN_DIR_VARIABLE: str(run.run_dir),
        },
        cwd=plan.cwd,
        streams=streams,
    )
    root = plan.manifest_root
    problem = root_problem(root) if code != 0 and root is not None else None
    return RunOutcome(run, code, read_result(run.run_dir), problem, _deliveries(run))


def _deliveries(run: PreparedRun) -> tuple[Delivery, ...]:
    if not run.plan.wandb:
        return ()
    return tuple(find_backend("wandb").pending(run.run_dir))


def prepare_run(plan: RecipePlan) -> PreparedRun:
    """Check that a recipe can start here, and make its run directory.

    Args:
        plan: The job.

    Raises:
        MissingDependencyError: A package that the recipe's header names is not installed.
        ExecutionError: torch or Ray is needed and absent, or the run directory cannot be written.
    """
    require_launcher(plan.recipe, plan.image)
    require_dependencies(plan.recipe)
    run_dir = create_run_dir(plan)
    try:
        job_config, train_config = save_configs(plan.job, plan.train, run_dir)
        command = tuple(plan.command(train_config))
    except BaseException:
        shutil.rmtree(run_dir, ignore_errors=True)
        raise
    return PreparedRun(plan, run_dir, job_config, train_config, command)


def create_run_dir(plan: RecipePlan) -> Path:
    """Create a new run directory for a job, below its working directory.

    Raises:
        ExecutionError: It cannot be created.
    """
    run_dir = propose_run_directory(plan.cwd, plan.title)
    try:
        run_dir.mkdir(parents=True)
    except OSError as error:
        raise ExecutionError(
            f"The run directory cannot be created: {error.strerror}.",
            where=str(run_dir),
            hint="Start from a folder that you may write to.",
        ) from error
    return run_dir
