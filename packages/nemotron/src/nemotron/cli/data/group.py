"""The group ``nemotron data``; what its commands do is loaded when they run."""

from __future__ import annotations

from typing import Any

import click

from nemotron.cli import help_pages
from nemotron.cli.commands import DEBUG, JSON, ROOT, CommandGroup, app_of
from nemotron.cli.completion import complete_reference

_COUNT = click.IntRange(min=0)


class DataGroup(CommandGroup):
    """The group ``nemotron data``."""

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.commands_page(app_of(ctx), ctx, self.commands)


class InspectCommand(click.Command):
    """The command ``nemotron data inspect``."""

    def __init__(self) -> None:
        super().__init__(
            "inspect",
            params=_params(),
            callback=click.pass_context(_inspect),
            help="Show what prepared data trains: records, masks, pack fill and lengths.",
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.command_page(app_of(ctx), ctx)


def data_group() -> click.Group:
    """Make the group."""
    group = DataGroup("data", help="Look into prepared data.")
    group.add_command(InspectCommand())
    return group


def _params() -> list[click.Parameter]:
    return [
        click.Argument(["subject"], metavar="PATH|REF", shell_complete=complete_reference),
        click.Option(
            ["--split"],
            metavar="NAME",
            help="train, valid or test. [default: the first that has data]",
        ),
        click.Option(
            ["--records"],
            type=_COUNT,
            default=3,
            metavar="N",
            help="How many records to show. [default: 3]",
        ),
        click.Option(
            ["--skip"], type=_COUNT, default=0, metavar="N", help="Pass over the first N records."
        ),
        click.Option(
            ["--tokens"],
            type=_COUNT,
            default=400,
            metavar="N",
            help="About how many tokens to show of each record. [default: 400]",
        ),
        click.Option(
            ["--tokenizer"],
            metavar="PATH",
            help="Decode with this one. [default: the one recorded with the data]",
        ),
        ROOT,
        JSON,
        click.Option(["--quiet"], is_flag=True, help="Print the files of the split, one a line."),
        DEBUG,
    ]


def _inspect(context: click.Context, **values: Any) -> None:
    from nemotron.cli.data.inspect import run

    run(app_of(context), values)
