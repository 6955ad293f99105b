"""The panels of a chain: its stages before they run, and where each stands at the end."""

from __future__ import annotations

from pathlib import Path

from nemo_runspec.execution.jobs.reasons import plain_exit
from nemo_runspec.execution.pipeline import (
    PipeEnd,
    PipeFile,
    PipeRecord,
    PlannedPipe,
    Stage,
    offers,
)
from nemo_runspec.execution.pipeline.local import why_not_here
from nemo_runspec.execution.pipeline.record import LIVE, InputRecord, StageRecord
from nemotron.cli.panels import Panel, Row, Tree

# Of a run that has no run directory yet, in what a dry run shows.
TRAIN_FILE = Path("RUN_DIR", "train.yaml")


def stage_heading(record: PipeRecord, stage: StageRecord) -> str:
    """Say which stage of how many it is: ``Stage 2 of 6: pretrain``."""
    number = [each.name for each in record.stages].index(stage.name) + 1
    return f"Stage {number} of {len(record.stages)}: {stage.name}"


def chain_tree(pipe: PlannedPipe) -> Tree:
    """Show every stage: its configuration, what it reads and what it writes."""
    stages = zip(pipe.chain.stages, pipe.record.stages, strict=True)
    return {
        f"{number} {record.name}": _stage_tree(stage, record)
        for number, (stage, record) in enumerate(stages, start=1)
    }


def _stage_tree(stage: Stage, record: StageRecord) -> Tree:
    tree: dict[str, str] = {"config": record.config}
    if record.state == "succeeded":
        return {**tree, "done": record.artifact or "it has run"}
    if record.state in LIVE and record.job is not None:
        return {**tree, record.state: f"as {record.job}"}
    if record.exit_code is not None:
        tree["before"] = _with_reason(f"exit code {record.exit_code}", record)
    tree |= {f"run.{item.key}": _shown_input(item) for item in record.inputs}
    tree |= {f"run.{key}": "not set in this configuration" for key in stage.unset}
    kind = stage.recipe.artifacts.writes
    tree["writes"] = "nothing" if kind is None else f"{record.output} ({kind})"
    return tree


def _shown_input(item: InputRecord) -> str:
    if item.source is not None:
        return f"{item.requested} → what {item.source} makes"
    if item.pinned is None or item.pinned == item.requested:
        return item.requested
    return f"{item.requested} → {item.pinned}"


def notes(pipe: PlannedPipe) -> list[str]:
    """What of the family takes no part, is not handed on, and cannot start on this machine."""
    found = [f"Left out: {item.name} {item.reason}." for item in pipe.chain.left_out]
    found += [
        f"Not handed on: {each.stage} reads no {each.key} of this chain; to have it read what "
        f"{each.writer} makes, add {each.override}"
        for each in offers(pipe.chain, pipe.request)
    ]
    if pipe.record.mode != "local":
        return found
    problems = (why_not_here(each) for each in pipe.stages)
    # A recipe may stand for several stages: conversions do.
    here = dict.fromkeys(f"Not here: {problem.what}" for problem in problems if problem is not None)
    return [*found, *here]


def end_panel(end: PipeEnd, file: PipeFile) -> Panel:
    """Show where every stage stands, what it made, and how to go on."""
    record = end.record
    rows: list[Row] = [(f"{stage.name}:", _outcome(stage)) for stage in record.stages]
    if record.state in LIVE:
        rows.append(("Follow:", "nemotron jobs ls"))
    rows.append(("Alias:", record.alias))
    if record.state != "succeeded":
        rows.append(("Resume:", resume_command(record)))
    rows.append(("Record:", str(file.folder)))
    return Panel(f"Chain {_word(end)} ({record.family} {record.id})", rows, gap=1, fill=False)


def _word(end: PipeEnd) -> str:
    if end.record.state == "succeeded":
        return "Complete"
    goes_on = any(stage.state in LIVE and stage.job is not None for stage in end.record.stages)
    if not goes_on or end.record.state not in LIVE or end.error is not None:
        return "Stopped"
    return "Submitted" if end.exit_code == 0 else "Detached"


def resume_command(record: PipeRecord) -> str:
    """The command that goes on with a chain."""
    return f"nemotron {record.family} pipe --resume {record.id}"


def _outcome(stage: StageRecord) -> str:
    if stage.state == "succeeded":
        return stage.artifact or "done"
    if stage.state == "waiting":
        return "not run"
    if stage.state in LIVE:
        return stage.state if stage.job is None else f"{stage.state} as {stage.job}"
    code = f" with exit code {stage.exit_code}" if stage.exit_code else ""
    return _with_reason(f"{stage.state}{code}", stage)


def _with_reason(ending: str, stage: StageRecord) -> str:
    """Say why, where that is more than the exit code."""
    if stage.reason is None or stage.reason == plain_exit(stage.exit_code or 0):
        return ending
    return f"{ending}: {stage.reason}"
