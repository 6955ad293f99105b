"""The panels around a job: what is submitted, what it reads, how it ended."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from nemo_runspec.execution import ArtifactInput, PreparedRun, RecipePlan, RunOutcome
from nemotron.cli.panels import UNICODE_BOX, Panel, Row, Screen, Tree
from nemotron.cli.values import show_count, show_row

_CACHE_KEYS = frozenset({"cache", "cache_hit"})


def submission_tree(
    plan: RecipePlan, configs: Mapping[str, str], mode: str, screen: Screen
) -> Tree:
    """Show which configurations and artifact stores a job will use.

    Args:
        plan: The job.
        configs: Label to path of its two configurations.
        mode: How it runs: ``local`` or ``dry run``.
        screen: What the tree is drawn on.
    """
    check = "✓ " if screen.box is UNICODE_BOX else ""
    return {
        "configs": dict(configs),
        "artifacts": {
            "manifest": plan.manifest_root or "off",
            "wandb": _wandb_row(plan, check),
        },
        "output": plan.output,
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
        rows.append(("", f"{_type_check(item)} at {item.path or 'a store out of reach from here'}"))
    read = {item.key for item in plan.inputs}
    unread = [key for key in plan.recipe.artifacts.reads if key not in read]
    rows += [(f"run.{key}:", "not set in this configuration") for key in unread]
    return Panel("Artifacts", rows or ["This job reads no artifacts."], gap=1, fill=False)


def completion_panel(outcome: RunOutcome) -> Panel:
    """Show what a job that ended well has made."""
    rows: list[Row] = []
    paths = [_absolute(str(item["path"]), outcome.run) for item in outcome.result.artifacts]
    for item, path in zip(outcome.result.artifacts, paths, strict=True):
        rows += [("Artifact:", str(item["ref"])), ("Path:", path)]
    if outcome.reused and not _CACHE_KEYS & outcome.result.summary.keys():
        rows.append(("Cache:", "hit: nothing changed since this version was recorded"))
    summary = outcome.result.summary.items()
    rows += [show_row(key, value) for key, value in summary if value not in paths]
    rows += _closing_rows(outcome)
    return Panel(f"Step Complete ({_name(outcome.run)})", rows, gap=1, fill=False)


def failure_panel(outcome: RunOutcome) -> Panel:
    """Show how a job failed, and where to look."""
    rows: list[Row] = [("Exit code:", str(outcome.exit_code)), *_closing_rows(outcome)]
    rows.append(("Run:", str(outcome.run.run_dir)))
    return Panel(f"Step Failed ({_name(outcome.run)})", rows, gap=1, fill=False)


def _closing_rows(outcome: RunOutcome) -> list[Row]:
    paths = [item.get("manifest_path") for item in outcome.result.artifacts]
    rows: list[Row] = [("Manifest:", str(path)) for path in paths if path]
    if not rows:
        rows.append(("Manifest:", f"none: {outcome.missing_manifest}"))
    return rows + list(_service_rows(outcome))


def _service_rows(outcome: RunOutcome) -> Iterator[Row]:
    alone = (item.get("url") for item in outcome.result.artifacts)
    pages = [*alone, *(item.where for item in outcome.deliveries)]
    yield from (("W&B:", str(page)) for page in pages if page)
    waiting = [item for item in outcome.deliveries if item.state == "pending"]
    if waiting:
        yield "W&B:", f"{show_count(len(waiting), 'record')} pending; deliver with:"
        yield "", sync_command(outcome)


def sync_command(outcome: RunOutcome) -> str:
    """The command that delivers what a service did not get yet."""
    run_dir = outcome.run.run_dir.relative_to(outcome.run.plan.cwd)
    return shlex.join(["nemotron", "artifacts", "sync", str(run_dir)])


def _absolute(path: str, run: PreparedRun) -> str:
    return path if "://" in path else str(run.plan.cwd / path)


def _name(run: PreparedRun) -> str:
    return run.plan.output


def _type_check(item: ArtifactInput) -> str:
    if item.declared is None:
        return item.type or "unknown type"
    if item.type is None:
        return f"{item.declared} (unchecked)"
    return f"{item.type} (as the recipe declares)" if item.type != "Artifact" else "untyped data"
