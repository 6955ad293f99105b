"""The click command that runs a family's chain."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from nemo_runspec.config import list_configs
from nemotron.cli import help_pages
from nemotron.cli.commands import DEBUG, JSON, QUIET, ROOT, app_of
from nemotron.cli.completion import Completer, complete_profile
from nemotron.cli.pipeline.targets import PipeTarget

_MODES = {
    "--run": "Submit each stage with a profile of env.toml, and follow it.",
    "--batch": "Submit all stages at once, each to start after those that it needs.",
}


class PipeCommand(click.Command):
    """The command that runs the recipes of a family one after another.

    Args:
        name: Its last word.
        target: The family.
    """

    def __init__(self, name: str, target: PipeTarget) -> None:
        super().__init__(
            name,
            params=_params(target),
            callback=click.pass_context(_pipe),
            context_settings={"help_option_names": ["-h", "--help"]},
            help=target.docs,
        )
        self.target = target

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.pipe_page(app_of(ctx), ctx.command_path, self.target, self.params)


def _params(target: PipeTarget) -> list[click.Parameter]:
    stages = _stage_completer(target)
    return [
        click.Option(
            ["-c", "--config"],
            multiple=True,
            metavar="NAME|STAGE:NAME",
            help="Configuration of every stage, or of one; by default each recipe's own.",
            shell_complete=_config_completer(target),
        ),
        click.Option(
            ["--from", "start"],
            metavar="STAGE",
            help="Leave out what comes before a stage.",
            shell_complete=stages,
        ),
        click.Option(
            ["--to", "ends"],
            multiple=True,
            metavar="STAGE",
            help="Run a stage and what it needs, nothing else; may be given again.",
            shell_complete=stages,
        ),
        click.Option(
            ["--resume"],
            is_flag=False,
            flag_value="",
            metavar="[ID]",
            help="Go on with a chain that was stopped, by default the latest.",
        ),
        *(
            click.Option([name], metavar="PROFILE", help=text, shell_complete=complete_profile)
            for name, text in _MODES.items()
        ),
        click.Option(
            ["--dry-run"],
            is_flag=True,
            help="Show the stages, what each reads and writes, and run nothing.",
        ),
        ROOT,
        JSON,
        QUIET,
        DEBUG,
        click.Argument(["overrides"], nargs=-1, metavar="[STAGE:]KEY=VALUE"),
    ]


def _stage_completer(target: PipeTarget) -> Completer:
    def complete(
        _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        names = ("/".join(recipe.words[1:]) for recipe in target.stages)
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    return complete


def _config_completer(target: PipeTarget) -> Completer:
    def complete(
        _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        names = {name for recipe in target.recipes for name in list_configs(recipe.config.dir)}
        return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]

    return complete


def _pipe(context: click.Context, **values: Any) -> int:
    from nemotron.cli.pipeline.run import run_pipe_command

    command = context.command
    if not isinstance(command, PipeCommand):
        raise TypeError(type(command).__name__)
    return run_pipe_command(app_of(context), command.target, values)
