"""The outermost group: every recipe family, and the commands that are no recipes."""

from __future__ import annotations

from typing import Any

import click

from nemotron.cli import help_pages
from nemotron.cli.app import App
from nemotron.cli.artifacts.group import artifacts_group
from nemotron.cli.commands import DEBUG, JSON, QUIET, CommandGroup, app_of, command_for
from nemotron.cli.data.group import data_group
from nemotron.cli.jobs.group import jobs_group
from nemotron.cli.packaging.command import PackageCommand
from nemotron.cli.profiles.group import profiles_group


class RootGroup(CommandGroup):
    """The ``nemotron`` command."""

    def __init__(self) -> None:
        version = click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Print the version.",
        )
        super().__init__("nemotron", params=[version])
        self.add_command(artifacts_group())
        self.add_command(data_group())
        self.add_command(jobs_group())
        self.add_command(PackageCommand())
        self.add_command(profiles_group())
        self.add_command(_CompletionCommand())

    def members(self, app: App) -> dict[str, click.Command]:
        """Map recipe families and the commands of the root to their words."""
        families = app.recipes.root.children
        recipes = {word: command_for(word, child) for word, child in families.items()}
        return {**recipes, **self.commands}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Look a word up."""
        return self.commands.get(cmd_name) or super().get_command(ctx, cmd_name)

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.root_page(app_of(ctx), self.commands, self.get_params(ctx))


class _CompletionCommand(click.Command):
    def __init__(self) -> None:
        shells = click.Choice(["bash", "zsh", "fish"])
        super().__init__(
            "completion",
            params=[click.Argument(["shell"], type=shells, metavar="SHELL"), JSON, QUIET, DEBUG],
            callback=click.pass_context(_print_completion),
            help="Print the script that completes commands and references in a shell.",
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    def get_help(self, ctx: click.Context) -> str:
        return help_pages.command_page(app_of(ctx), ctx)


def _print_completion(ctx: click.Context, **values: Any) -> None:
    from nemotron.cli.shells import completion_script

    app, shell = app_of(ctx), values["shell"]
    script = completion_script(shell)
    if values["as_json"]:
        app.document({"shell": shell, "script": script})
        return
    app.write(script)


def _print_version(ctx: click.Context, _option: click.Parameter, value: Any) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    app_of(ctx).write(f"nemotron {version('nemotron')}\n")
    ctx.exit()
