"""The click command ``nemotron package``."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from nemo_runspec.config import list_configs
from nemo_runspec.errors import NemotronError
from nemo_runspec.runspec import Runspec
from nemotron.cli import help_pages
from nemotron.cli.commands import DEBUG, JSON, QUIET, app_of


class PackageCommand(click.Command):
    """The command ``nemotron package``."""

    def __init__(self) -> None:
        super().__init__(
            "package",
            params=_params(),
            callback=click.pass_context(_package),
            context_settings={"help_option_names": ["-h", "--help"]},
            help="Write a recipe as one main.py that runs where nothing of ours is installed.",
        )

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.command_page(app_of(ctx), ctx)


def _params() -> list[click.Parameter]:
    return [
        click.Argument(["recipe"], metavar="RECIPE|SCRIPT", shell_complete=_complete_recipe),
        click.Option(
            ["-c", "--config"],
            metavar="NAME|PATH",
            help="Configuration that goes along, by name or file. [default: the recipe's]",
            shell_complete=_complete_config,
        ),
        click.Option(
            ["-o", "--output"],
            required=True,
            type=click.Path(file_okay=False),
            metavar="DIR",
            help="Folder to write; only what was packaged there before is replaced.",
        ),
        click.Option(
            ["--package", "packages"],
            multiple=True,
            metavar="NAME",
            help="Package of yours that goes along too; NAME.* takes all its modules. Repeatable.",
        ),
        JSON,
        QUIET,
        DEBUG,
        click.Argument(["overrides"], nargs=-1, metavar="KEY=VALUE", shell_complete=_complete_word),
    ]


def _recipes(ctx: click.Context) -> list[Runspec]:
    try:
        return list(app_of(ctx).recipes.root.recipes())
    except NemotronError:
        # A shell has no place for messages; the command itself will say what is wrong.
        return []


def _complete_recipe(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    found = [each.name for each in _recipes(ctx) if each.name.startswith(incomplete)]
    if found:
        return [CompletionItem(name) for name in found]
    return [CompletionItem(incomplete, type="file")]


def _complete_word(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Complete what follows the first word of a recipe's command."""
    words = _words(ctx)
    begun = (each.words for each in _recipes(ctx) if each.words[: len(words)] == words)
    following = {found[len(words)] for found in begun if len(found) > len(words)}
    return [CompletionItem(word) for word in sorted(following) if word.startswith(incomplete)]


def _words(ctx: click.Context) -> tuple[str, ...]:
    # Click gives up on a line that ends with an option without its value: what came before is left.
    given = [ctx.params.get("recipe"), *(ctx.params.get("overrides") or ())]
    words = [word for word in given if word] or [word for word in ctx.args if word]
    return tuple(part for word in words if "=" not in word for part in word.split("/"))


def _complete_config(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    words = _words(ctx)
    names = [
        name
        for recipe in _recipes(ctx)
        if recipe.words == words and "/" not in incomplete
        for name in list_configs(recipe.config.dir)
    ]
    if not names:
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _package(context: click.Context, **values: Any) -> None:
    from nemotron.cli.packaging.run import run_package

    run_package(app_of(context), values)
