"""The panels around a job: what is submitted, what it reads, how it ended."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from nemo_runspec.amounts import show_count
from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.execution import ArtifactInput, RecipePlan
from nemo_runspec.execution.jobs.reasons import plain_exit
from nemotron.cli.job_end import JobEnd
from nemotron.cli.panels import UNICODE_BOX, Panel, Row, Screen, Tree
from nemotron.cli.values import show_row

_CACHE_KEYS = frozenset({"cache", "cache_hit"})


def submission_tree(
    plan: RecipePlan,
    configs: Mapping[str, str],
    mode: str,
    screen: Screen,
    job: Mapping[str, str] | None = None,
) -> Tree:
    """Show which configurations and artifact stores a job will use.

    Args:
        plan: The job.
        configs: Label to path of its two configurations.
        mode: How it runs: ``local``, ``attached``, ``detached``, ``staged`` or ``dry run``.
        screen: What the tree is drawn on.
        job: Label to text of what is known of a submitted job.
    """
    check = "✓ " if screen.box is UNICODE_BOX else ""
    return {
        "configs": dict(configs),
        "artifacts": {
            "manifest": plan.manifest_root or "off",
            "wandb": _wandb_row(plan, check),
        },
        "output": plan.output,
        **(job or {}),
        "mode": mode,
    }


def _wandb_row(plan: RecipePlan, check: str) -> str:
    if not plan.wandb:
        return "off"
    if plan.checked.unreachable is not None:
        return "enabled, not reached: what is recorded is delivered later"
    return f"{check}enabled"


def inputs_panel(plan: RecipePlan) -> Panel:
    """Show every artifact that a job reads: requested, pinned, where, of which type."""
    rows: list[Row] = []
    for item in plan.inputs:
        pinned = "" if item.pinned == item.requested else f" → {item.pinned}"
        rows.append((f"run.{item.key}:", f"{item.requested}{pinned}"))
        rows.append(("", f"{_type_check(item)} at {_place(item)}"))
    read = {item.key for item in plan.inputs}
    unread = [key for key in plan.recipe.artifacts.reads if key not in read]
    rows += [(f"run.{key}:", "not set in this configuration") for key in unread]
    return Panel("Artifacts", rows or ["This job reads no artifacts."], gap=1, fill=False)


def completion_panel(end: JobEnd) -> Panel:
    """Show what a job that ended well has made."""
    rows: list[Row] = []
    paths = [end.path(str(item["path"])) for item in end.result.artifacts]
    for item, path in zip(end.result.artifacts, paths, strict=True):
        rows += [("Artifact:", str(item["ref"])), ("Path:", path)]
    if end.reused and not _CACHE_KEYS & end.result.summary.keys():
        rows.append(("Cache:", "hit: nothing changed since this version was recorded"))
    summary = end.result.summary.items()
    rows += [show_row(key, value) for key, value in summary if value not in paths]
    rows += _closing_rows(end)
    return Panel(f"Step Complete ({end.output})", rows, gap=1, fill=False)


def failure_panel(end: JobEnd) -> Panel:
    """Show how a job failed, and where to look."""
    rows: list[Row] = [("Exit code:", str(end.exit_code))]
    if end.reason is not None:
        said = [] if end.reason == plain_exit(end.exit_code) else [("Why:", end.reason)]
        rows += [*said, *_told_rows(end)]
    rows += _closing_rows(end)
    rows.append(("Run:", end.run))
    return Panel(f"Step {end.state.title()} ({end.output})", rows, gap=1, fill=False)


def _told_rows(end: JobEnd) -> Iterator[Row]:
    """What the script said of its own failure."""
    told = end.result.error or {}
    labels = {"what": "Error:", "where": "Where:", "hint": "Hint:"}
    yield from ((label, str(told[key])) for key, label in labels.items() if told.get(key))


def _closing_rows(end: JobEnd) -> list[Row]:
    paths = [item.get("manifest_path") for item in end.result.artifacts]
    rows: list[Row] = [("Manifest:", str(path)) for path in paths if path]
    if not rows and end.unseen is not None:
        rows += _unseen_rows(end, end.unseen)
    elif not rows:
        rows.append(("Manifest:", f"none: {end.manifest_missing}"))
    return rows + list(_service_rows(end))


def _unseen_rows(end: JobEnd, place: str) -> Iterator[Row]:
    """Where what a job recorded lies, and what shows it."""
    yield "Result:", f"{end.run} on {place}, not seen from here"
    root = None if end.job is None else end.job.manifest_root
    if root is not None:
        shown = ["nemotron", "artifacts", "show", end.output, "--root", root]
        yield "Artifact:", shlex.join(shown)
    if end.wandb:
        yield "W&B:", f"the run of the job has {end.output}"
    elif root is None:
        yield "Artifact:", "not recorded: artifacts.manifest.root is not set"


def _service_rows(end: JobEnd) -> Iterator[Row]:
    alone = (item.get("url") for item in end.result.artifacts)
    pages = [*alone, *(item.where for item in end.deliveries)]
    yield from (("W&B:", str(page)) for page in pages if page)
    if end.pending:
        yield "W&B:", f"{show_count(len(end.pending), 'record')} pending; deliver with:"
        yield "", end.sync_command


def _place(item: ArtifactInput) -> str:
    """Where the data lies; a job that runs elsewhere may see what this machine does not."""
    if item.path is None:
        return "a store out of reach from here"
    return f"{item.path}, which is not on this machine" if _is_absent(item.path) else item.path


def _is_absent(path: str) -> bool:
    local = local_path(path)
    try:
        return local is not None and not local.expanduser().exists()
    except OSError:
        # It is there, or its disk does not answer: whoever reads it says which.
        return False


def _type_check(item: ArtifactInput) -> str:
    if item.declared is None:
        return item.type or "unknown type"
    if item.type is None:
        return f"{item.declared} (unchecked)"
    return f"{item.type} (as the recipe declares)" if item.type != "Artifact" else "untyped data"
