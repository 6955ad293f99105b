"""What the command of a chain does: plan, show, run stage by stage, report."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from nemo_runspec.config.grammar import render_value
from nemo_runspec.errors import NemotronError, UsageError
from nemo_runspec.execution.pipeline import (
    ChainRequest,
    LocalRunner,
    PipeEnd,
    PipeFile,
    PlannedPipe,
    SubmittedStage,
    cancel_jobs,
    continue_pipe,
    find_pipe,
    only_driver,
    require_all_here,
    require_queue,
    run_pipe,
    start_pipe,
    submit_pipe,
)
from nemo_runspec.execution.pipeline.addressing import split_address
from nemo_runspec.execution.pipeline.driver import StageRunner
from nemo_runspec.execution.pipeline.experiment import profile_of
from nemo_runspec.execution.pipeline.record import PipeMode
from nemo_runspec.execution.submission.leftovers import remove_leftovers
from nemotron.cli.app import App, output_mode
from nemotron.cli.errors import traceback_text
from nemotron.cli.pipeline.reporters import reporter_for
from nemotron.cli.pipeline.reporting import PipeReporter
from nemotron.cli.pipeline.targets import PipeTarget

_DEBUG_VARIABLE = "NEMOTRON_DEBUG"
_INTERRUPTED = 130
_NO_ID = re.compile(r"[=:~+]")


def run_pipe_command(app: App, target: PipeTarget, values: Mapping[str, Any]) -> int:
    """Run the chain of a family, go on with one, or show what would run.

    Args:
        app: The invocation.
        target: The family.
        values: The parameters of its click command.

    Returns:
        0 where every stage succeeded, else the exit code of the one that did not.
    """
    remove_leftovers(app.cwd)
    reporter = reporter_for(app, output_mode(values))
    request, resumed, mode = _request(app, target, values)
    if resumed is None:
        pipe, file = start_pipe(request, mode)
        if values["dry_run"]:
            reporter.planned(pipe)
            return 0
        _require_backend(pipe)
        file.create()
        with only_driver(file.folder):
            return _run(app, pipe, file, values, reporter)
    with only_driver(resumed.folder):
        continued = continue_pipe(resumed, request, mode)
        for sentence in continued.told:
            app.warn(sentence)
        if values["dry_run"]:
            reporter.planned(continued.pipe)
            return 0
        _require_backend(continued.pipe)
        cancel_jobs(continued.stale)
        resumed.replace(continued.pipe.record)
        return _run(app, continued.pipe, resumed, values, reporter)


def _request(
    app: App, target: PipeTarget, values: Mapping[str, Any]
) -> tuple[ChainRequest, PipeFile | None, PipeMode]:
    words, pipe_id = list(values["overrides"]), values["resume"]
    if pipe_id is not None and _NO_ID.search(pipe_id):
        # The id may be left out, and what follows then is an override.
        words, pipe_id = [pipe_id, *words], ""
    resumed = None if pipe_id is None else find_pipe(app.cwd, target.family, pipe_id or None)
    mode, profile = _mode(values, resumed)
    if resumed is not None:
        _refuse_choices(values)
    if values["root"] is not None:
        words.append(f"artifacts.manifest.root={render_value(values['root'])}")
    config, stage_configs = _configs(values["config"])
    request = ChainRequest(
        family=target.family,
        recipes=tuple(app.recipes.root.recipes()),
        config=config,
        stage_configs=stage_configs,
        overrides=tuple(words),
        start=values["start"],
        ends=tuple(values["ends"]),
        cwd=app.cwd,
        argv=("nemotron", *app.argv),
        profile=profile,
    )
    return request, resumed, mode


def _mode(values: Mapping[str, Any], resumed: PipeFile | None) -> tuple[PipeMode, str | None]:
    from nemotron.cli.run import chosen_launch

    launch = chosen_launch({**values, "stage": None})
    if launch is not None:
        return ("run" if launch.mode == "run" else "batch"), launch.profile
    if resumed is not None:
        return resumed.record.mode, resumed.record.profile
    return "local", None


def _configs(given: tuple[str, ...]) -> tuple[str | None, dict[str, str]]:
    """Sort ``-c NAME`` from ``-c STAGE:NAME``."""
    config: str | None = None
    own: dict[str, str] = {}
    for text in given:
        stage, name = split_address(text)
        if stage is None and config is not None:
            raise UsageError(
                f"Two configurations are given for every stage: {config} and {name}.",
                hint=f"Say which stage one is for: -c STAGE:{name}",
            )
        if stage is None:
            config = name
        else:
            own[stage] = name
    return config, own


def _refuse_choices(values: Mapping[str, Any]) -> None:
    given = {"-c": values["config"], "--from": values["start"], "--to": values["ends"]}
    for option, value in given.items():
        if value:
            raise UsageError(
                f"'{option}' and '--resume' exclude each other: a chain keeps its stages.",
                hint=f"Leave '{option}' out, or start a new chain without '--resume'.",
            )


def _require_backend(pipe: PlannedPipe) -> None:
    """Check, before hours are spent on some stages, that the others can start."""
    if pipe.record.mode == "batch":
        require_queue(pipe)
    local = pipe.record.mode == "local"
    executors = {"local"} if local else {profile_of(each.plan).executor for each in pipe.stages}
    if "local" in executors:
        require_all_here(pipe)
    if executors - {"local"}:
        from nemo_runspec.execution.nemo_run.child import require_nemo_run

        require_nemo_run()


def _run(
    app: App,
    pipe: PlannedPipe,
    file: PipeFile,
    values: Mapping[str, Any],
    reporter: PipeReporter,
) -> int:
    for sentence in _warnings(pipe):
        app.warn(sentence)
    debug = {_DEBUG_VARIABLE: "1"} if values["debug"] else {}
    environ = {**os.environ, **debug}
    reporter.opened(pipe, file)
    end = _to_its_end(app, pipe, file, reporter, environ)
    if end.error is not None and values["debug"]:
        app.err.write(traceback_text(end.error))
    reporter.closed(end, file)
    return end.exit_code


def _to_its_end(
    app: App,
    pipe: PlannedPipe,
    file: PipeFile,
    reporter: PipeReporter,
    environ: Mapping[str, str],
) -> PipeEnd:
    try:
        if pipe.record.mode == "batch":
            _submit_all(app, pipe, file, reporter)
            return PipeEnd(file.record, 0)
        return run_pipe(pipe, file, runner=_runner(app, pipe, reporter, environ), observer=reporter)
    except NemotronError as error:
        return PipeEnd(file.record, error.exit_code, error)
    except KeyboardInterrupt:
        return PipeEnd(file.record, _INTERRUPTED)


def _submit_all(app: App, pipe: PlannedPipe, file: PipeFile, reporter: PipeReporter) -> None:
    submitted: list[SubmittedStage] = []
    try:
        with app.waiting(f"Submitting the chain of {pipe.chain.family}"):
            submit_pipe(pipe, file, submitted.append)
    finally:
        for stage in submitted:
            reporter.submitted(stage)


def _runner(
    app: App, pipe: PlannedPipe, reporter: PipeReporter, environ: Mapping[str, str]
) -> StageRunner:
    if pipe.record.mode == "local":
        return LocalRunner(
            streams=reporter.streams,
            started=reporter.started,
            finished=reporter.finished,
            environment=environ,
        )
    from nemotron.cli.pipeline.attached import AttachedRunner

    return AttachedRunner(app, reporter, environ)


def _warnings(pipe: PlannedPipe) -> list[str]:
    """What backends and profiles say of some stage, each sentence once."""
    found = [warning for each in pipe.stages for warning in each.plan.checked.warnings]
    if pipe.record.mode != "local":
        found += [sentence for each in pipe.stages for sentence in profile_of(each.plan).told]
    return list(dict.fromkeys(found))
