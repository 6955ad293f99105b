"""The group ``nemotron profiles``; the module of a command is loaded when the command runs."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click

from nemotron.cli import help_pages
from nemotron.cli.commands import DEBUG, JSON, QUIET, CommandGroup, app_of
from nemotron.cli.completion import complete_profile


class ProfilesGroup(CommandGroup):
    """The group ``nemotron profiles``."""

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.commands_page(app_of(ctx), ctx, self.commands)


class ProfilesCommand(click.Command):
    """One of its commands.

    Args:
        name: Its word, and the module of this package that has its ``run``.
        text: One sentence.
        params: What it takes beside the options that all commands have.
    """

    def __init__(self, name: str, text: str, params: Sequence[click.Parameter] = ()) -> None:
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


def profiles_group() -> click.Group:
    """Make the group."""
    group = ProfilesGroup("profiles", help="Look at the profiles of env.toml, and try them.")
    group.add_command(ProfilesCommand("ls", "List the profiles."))
    group.add_command(
        ProfilesCommand("show", "Show what a profile says, and where it says it.", [_name()])
    )
    group.add_command(
        ProfilesCommand("check", "Look for what would keep a profile's jobs away.", [_name()])
    )
    return group


def _name() -> click.Argument:
    return click.Argument(["name"], metavar="NAME", shell_complete=complete_profile)


def _run(context: click.Context, **values: Any) -> int:
    module = importlib.import_module(f"nemotron.cli.profiles.{context.command.name}")
    code: int = module.run(app_of(context), values)
    return code
