"""Run a stage of a chain as a process of this machine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from nemo_runspec.errors import ExecutionError, NemotronError
from nemo_runspec.execution.command import require_launcher
from nemo_runspec.execution.local import PreparedRun, RunOutcome, run_recipe
from nemo_runspec.execution.pipeline.driver import StageEnd
from nemo_runspec.execution.pipeline.planning import PlannedPipe, PlannedStage
from nemo_runspec.execution.pipeline.record import StageRecord
from nemo_runspec.execution.process import ChildStreams
from nemo_runspec.execution.requirements import require_dependencies


class LocalRunner:
    """Runs stages here, without a scheduler.

    Args:
        streams: Opens where a stage's output goes.
        started: Called right before a stage's script starts.
        finished: Called when it has ended, while its streams are open.
        environment: The scripts' environment; by default this process's own.
    """

    def __init__(
        self,
        *,
        streams: Callable[[], AbstractContextManager[ChildStreams]],
        started: Callable[[PreparedRun], None],
        finished: Callable[[RunOutcome], None],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._streams = streams
        self._started = started
        self._finished = finished
        self._environment = environment

    def run(self, planned: PlannedStage, note: Callable[[Path, str | None], None]) -> StageEnd:
        """Run a stage's script, and wait for its end."""

        def announce(run: PreparedRun) -> None:
            note(run.run_dir, None)
            self._started(run)

        with self._streams() as streams:
            outcome = run_recipe(
                planned.plan, announce=announce, streams=streams, environment=self._environment
            )
            self._finished(outcome)
        told = outcome.result.error
        return StageEnd(
            exit_code=outcome.exit_code,
            refs=tuple(str(item["ref"]) for item in outcome.result.artifacts),
            reason=None if told is None else str(told["what"]),
        )

    def rejoin(self, record: StageRecord) -> StageEnd:
        """Refuse: a process of this machine that nobody waits for cannot be waited for."""
        raise ExecutionError(
            f"Stage {record.name} runs as the job {record.job}, which was submitted.",
            where=record.run_dir,
            hint="Go on with the profile that it was submitted with: --run PROFILE",
        )


def why_not_here(planned: PlannedStage) -> NemotronError | None:
    """Say what a stage lacks on this machine; None where it can start.

    Args:
        planned: The stage.
    """
    try:
        require_launcher(planned.plan.recipe, planned.plan.image)
        require_dependencies(planned.plan.recipe)
    except NemotronError as error:
        return error
    return None


def require_all_here(pipe: PlannedPipe) -> None:
    """Refuse a chain of which some stage cannot start here, before hours are spent on the others.

    Args:
        pipe: The chain.

    Raises:
        ExecutionError: What the first such stage lacks, and what of the chain can be run.
    """
    problems = {each.stage.name: why_not_here(each) for each in pipe.stages}
    lacking = {name: problem for name, problem in problems.items() if problem is not None}
    if not lacking:
        return
    name, problem = next(iter(lacking.items()))
    possible = _possible(pipe, lacking)
    ends = " ".join(f"--to {end}" for end in possible)
    only = f"What can run here is chosen with {ends}." if ends else "Check it with --dry-run."
    raise ExecutionError(
        f"Stage {name} cannot start here: {problem.what}", where=problem.where, hint=only
    )


def _possible(pipe: PlannedPipe, lacking: Collection[str]) -> list[str]:
    """The last stages of what can run: together with what they need, they are all of it."""
    able: list[str] = []
    for stage in pipe.chain.stages:
        if stage.name not in lacking and stage.sources <= set(able):
            able.append(stage.name)
    stages = [stage for stage in pipe.chain.stages if stage.name in able]
    read = {source for stage in stages for source in stage.sources}
    return [name for name in able if name not in read]
