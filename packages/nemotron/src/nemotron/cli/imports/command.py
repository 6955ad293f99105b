"""The click commands that import data and models."""

from __future__ import annotations

from typing import Any

import click

from nemotron.cli import help_pages
from nemotron.cli.commands import DEBUG, JSON, QUIET, ROOT, app_of
from nemotron.cli.imports.targets import ImportTarget

_STEP = click.Option(
    ["--step"],
    type=click.IntRange(min=0),
    metavar="N",
    help="The training step; needed where the checkpoint does not say it.",
)
_PACK_SIZE = click.Option(
    ["--pack-size"],
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="Tokens in a full pack; needed where nothing beside the data says it.",
)


class ImportCommand(click.Command):
    """The command that imports the data or the model of one stage.

    Args:
        name: Its last word, the stage.
        target: What it imports.
    """

    def __init__(self, name: str, target: ImportTarget) -> None:
        super().__init__(
            name,
            params=_params(target),
            callback=click.pass_context(_import),
            context_settings={"help_option_names": ["-h", "--help"]},
            help=target.docs,
        )
        self.target = target

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.command_page(app_of(ctx), ctx)


def _params(target: ImportTarget) -> list[click.Parameter]:
    own: dict[tuple[str, str], list[click.Parameter]] = {("data", "sft"): [_PACK_SIZE]}
    asked = [_STEP] if target.subject == "model" else own.get((target.subject, target.stage), [])
    return [
        click.Argument(["path"], type=click.Path(), metavar="PATH"),
        *asked,
        click.Option(
            ["--name"],
            metavar="NAME",
            help=f"The name to record under. [default: {target.usual_name}]",
        ),
        ROOT,
        JSON,
        QUIET,
        DEBUG,
    ]


def _import(context: click.Context, **values: Any) -> None:
    from nemotron.cli.imports.run import run_import

    command = context.command
    if not isinstance(command, ImportCommand):
        raise TypeError(type(command).__name__)
    run_import(app_of(context), command.target, values)
