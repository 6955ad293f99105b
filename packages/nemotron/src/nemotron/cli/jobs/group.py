"""The group ``nemotron jobs``; the module of a command is loaded when the command runs."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click

from nemotron.cli import help_pages
from nemotron.cli.commands import DEBUG, JSON, QUIET, CommandGroup, app_of
from nemotron.cli.completion import complete_job


class JobsGroup(CommandGroup):
    """The group ``nemotron jobs``."""

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.commands_page(app_of(ctx), ctx, self.commands)


class JobsCommand(click.Command):
    """One of its commands.

    Args:
        name: Its word, and the module of this package that has its ``run``.
        text: One sentence.
        params: What it takes beside the options that all commands have.
    """

    def __init__(self, name: str, text: str, params: Sequence[click.Parameter]) -> None:
        super().__init__(
            name,
            params=[*params, JSON, QUIET, DEBUG],
            callback=click.pass_context(_run),
            help=text,
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.command_page(app_of(ctx), ctx)


def jobs_group() -> click.Group:
    """Make the group."""
    group = JobsGroup("jobs", help="Follow, look at and cancel the jobs submitted from here.")
    for command in _commands():
        group.add_command(command)
    return group


def _commands() -> list[click.Command]:
    follow = click.Option(
        ["-f", "--follow"],
        is_flag=True,
        help="Go on until the job ends, and end as it ends.",
    )
    tail = click.Option(
        ["--tail"],
        type=click.IntRange(min=0),
        metavar="N",
        help="Begin with the last N lines. [default: all]",
    )
    last = click.Option(
        ["--last"],
        type=click.IntRange(min=1),
        default=20,
        metavar="N",
        help="List the last N jobs. [default: 20]",
    )
    return [
        JobsCommand("ls", "List the jobs that were submitted from this folder.", [last]),
        JobsCommand("logs", "Show what a job prints.", [_job("[JOB]"), follow, tail]),
        JobsCommand("status", "Show where a job stands, or how it ended.", [_job("[JOB]")]),
        JobsCommand("cancel", "End a job; what it recorded stays.", [_job("JOB")]),
    ]


def _job(metavar: str) -> click.Argument:
    if not metavar.startswith("["):
        return click.Argument(["job"], metavar=metavar, shell_complete=complete_job)
    return click.Argument(["job"], metavar=metavar, default="latest", shell_complete=complete_job)


def _run(context: click.Context, **values: Any) -> int:
    module = importlib.import_module(f"nemotron.cli.jobs.{context.command.name}")
    code: int = module.run(app_of(context), values)
    return code
