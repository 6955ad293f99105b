"""Groups whose commands are modules: one is loaded when its command runs, not for a help page."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import click

from nemotron.cli import help_pages
from nemotron.cli.app import App
from nemotron.cli.commands import DEBUG, JSON, QUIET, CommandGroup, app_of


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


class ModuleGroup(CommandGroup):
    """A group of commands, each in a module of one package.

    Args:
        name: The group's own word.
        package: The package that has the modules.
        text: One sentence.
    """

    def __init__(self, name: str, package: str, text: str) -> None:
        super().__init__(name, help=text)
        self.package = package

    def add(self, name: str, text: str, params: Sequence[click.Parameter] = ()) -> None:
        """Add a command.

        Args:
            name: Its word, and the module's name.
            text: One sentence.
            params: What it takes beside the options that all commands have.
        """
        self.add_command(ModuleCommand(f"{self.package}.{name}", name, text, params))

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.commands_page(app_of(ctx), ctx, self.commands)


class ModuleCommand(click.Command):
    """A command whose ``run`` is in a module of its own.

    Args:
        module: The module's name.
        name: The command's word.
        text: One sentence.
        params: What it takes beside the options that all commands have.
    """

    def __init__(
        self, module: str, name: str, text: str, params: Sequence[click.Parameter]
    ) -> None:
        super().__init__(
            name,
            params=[*params, JSON, QUIET, DEBUG],
            callback=click.pass_context(_run),
            help=text,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self.module = module

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.command_page(app_of(ctx), ctx)


def _run(context: click.Context, **values: Any) -> int:
    command = context.command
    if not isinstance(command, ModuleCommand):
        raise TypeError(type(command).__name__)
    module = cast("CommandModule", importlib.import_module(command.module))
    return module.run(app_of(context), values)
