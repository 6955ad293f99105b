"""The group ``nemotron jobs``; the module of a command is loaded when the command runs."""

from __future__ import annotations

import click

from nemotron.cli.completion import complete_job
from nemotron.cli.module_commands import ModuleGroup

_LAST = click.Option(
    ["--last"],
    type=click.IntRange(min=1),
    default=20,
    metavar="N",
    help="List the last N jobs. [default: 20]",
)
_FOLLOW = click.Option(
    ["-f", "--follow"],
    is_flag=True,
    help="Go on until the job ends, and end as it ends.",
)
_TAIL = click.Option(
    ["--tail"],
    type=click.IntRange(min=0),
    metavar="N",
    help="Begin with the last N lines. [default: all]",
)


def jobs_group() -> click.Group:
    """Make the group."""
    group = ModuleGroup(
        "jobs", "nemotron.cli.jobs", "Follow, look at and cancel the jobs submitted from here."
    )
    group.add("ls", "List the jobs that were submitted from this folder.", [_LAST])
    group.add("logs", "Show what a job prints.", [_job("[JOB]"), _FOLLOW, _TAIL])
    group.add("status", "Show where a job stands, or how it ended.", [_job("[JOB]")])
    group.add("cancel", "End a job; what it recorded stays.", [_job("JOB")])
    return group


def _job(metavar: str) -> click.Argument:
    if not metavar.startswith("["):
        return click.Argument(["job"], metavar=metavar, shell_complete=complete_job)
    return click.Argument(["job"], metavar=metavar, default="latest", shell_complete=complete_job)
