"""The group ``nemotron artifacts``; the module of a command is loaded when the command runs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import click

from nemotron.cli import help_pages
from nemotron.cli.app import App
from nemotron.cli.commands import DEBUG, JSON, QUIET, ROOT, CommandGroup, app_of


@dataclass(frozen=True)
class Entry:
    """One command of the group.

    Attributes:
        name: Its word, and the module of this package that has its ``run``.
        help: One sentence.
        params: What it takes beside the options that all commands have.
    """

    name: str
    help: str
    params: Sequence[click.Parameter] = ()


class CommandModule(Protocol):
    """What the module of a command offers."""

    def run(self, app: App, values: Mapping[str, Any]) -> int:
        """Do what the command says.

        Args:
            app: The invocation.
            values: The command's parameters.

        Returns:
            The exit code.
        """
        ...


class ArtifactsGroup(CommandGroup):
    """The group ``nemotron artifacts``."""

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.commands_page(app_of(ctx), ctx, self.commands)


class ArtifactsCommand(click.Command):
    """One of its commands."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(
            entry.name,
            params=[*entry.params, ROOT, JSON, QUIET, DEBUG],
            callback=click.pass_context(_run),
            help=entry.help,
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.command_page(app_of(ctx), ctx)


def artifacts_group() -> click.Group:
    """Make the group."""
    group = ArtifactsGroup("artifacts", help="Look at recorded artifacts and their lineage.")
    for entry in _ENTRIES:
        group.add_command(ArtifactsCommand(entry))
    return group


def reference(metavar: str = "REF") -> click.Argument:
    """Make the parameter of a command that takes an artifact's name or reference.

    Args:
        metavar: How help pages call it; in brackets where it can be left out.
    """
    return click.Argument(["reference"], metavar=metavar, required=not metavar.startswith("["))


_ENTRIES = (
    Entry("ls", "List artifacts, or the versions of one.", [reference("[NAME]")]),
    Entry("show", "Show one version: its manifest.", [reference()]),
    Entry("lineage", "Show what a version was made from, to the raw files.", [reference()]),
)


def _run(context: click.Context, **values: Any) -> int:
    module = importlib.import_module(f"nemotron.cli.artifacts.{context.command.name}")
    return cast("CommandModule", module).run(app_of(context), values)
