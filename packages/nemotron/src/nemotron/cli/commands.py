"""Click groups and commands, made from the tree of recipes when they are asked for."""

from __future__ import annotations

from typing import Any

import click

from nemo_runspec.errors import UsageError
from nemo_runspec.runspec import Runspec
from nemotron.cli import help_pages
from nemotron.cli.app import App
from nemotron.cli.completion import (
    complete_profile,
    complete_reference,
    config_completer,
    override_completer,
)
from nemotron.cli.imports.targets import ImportTarget
from nemotron.cli.pipeline.targets import PipeTarget
from nemotron.cli.tree import Branch

DEBUG = click.Option(["--debug"], is_flag=True, help="Show the traceback of an error.")
JSON = click.Option(
    ["--json", "as_json"], is_flag=True, help="Print one JSON document, and nothing else."
)
QUIET = click.Option(["--quiet"], is_flag=True, help="Print errors and the final reference only.")
ROOT = click.Option(
    ["--root"],
    metavar="URL",
    help="Where artifacts are recorded: a folder, or an s3://, gs:// or hf:// URL.",
)
_HELP = {"help_option_names": ["-h", "--help"]}
_MODES = {
    "--run": "Submit with a profile of env.toml, follow the job, and end as it ends.",
    "--batch": "Submit with a profile of env.toml, say how to follow the job, and leave.",
    "--stage": "Put everything where a profile's jobs run, and say how to start it there.",
}


def app_of(context: click.Context) -> App:
    """Get the invocation that a click context belongs to."""
    app = context.find_object(App)
    if app is None:
        return App([])
    return app


class CommandGroup(click.Group):
    """A group whose commands are looked up by :meth:`members`."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, context_settings=_HELP, **settings)

    def members(self, _app: App) -> dict[str, click.Command]:
        """Map each word that may follow to its command."""
        return dict(self.commands)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the words that may follow, sorted."""
        return sorted(self.members(app_of(ctx)))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Look a word up."""
        return self.members(app_of(ctx)).get(cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse a command line that stops at a group."""
        if not args and not ctx.resilient_parsing:
            raise UsageError(
                f"'{ctx.command_path}' needs one more word.",
                hint=f"One of {', '.join(self.list_commands(ctx))}; "
                f"see '{ctx.command_path} --help'.",
            )
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the next word, or say which words there are."""
        word = args[0]
        known = self.get_command(ctx, word) is not None or word.startswith("-")
        if not known and not ctx.resilient_parsing:
            raise self.unknown(ctx, word)
        return super().resolve_command(ctx, args)

    def unknown(self, ctx: click.Context, word: str) -> UsageError:
        """Make the error for a word that is no command here."""
        from nemo_runspec.suggest import did_you_mean

        left_out = app_of(ctx).recipes.errors
        hint = did_you_mean(word.replace("/", " "), self._spellings(ctx))
        if left_out:
            hint = f"{hint or ''} A recipe was left out: {left_out[0]}".strip()
        return UsageError(f"'{ctx.command_path}' has no command '{word}'.", hint=hint)

    def _spellings(self, ctx: click.Context) -> list[str]:
        return self.list_commands(ctx)


class BranchGroup(CommandGroup):
    """The recipes whose names begin alike.

    Args:
        name: The group's own word.
        branch: Its part of the tree.
    """

    def __init__(self, name: str, branch: Branch) -> None:
        super().__init__(name, help=f"Recipes of {'/'.join(branch.words)}.")
        self.branch = branch

    def members(self, _app: App) -> dict[str, click.Command]:
        """Make the commands of this part of the tree."""
        return {word: command_for(word, child) for word, child in self.branch.children.items()}

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.group_page(
            app_of(ctx), ctx.command_path, self.branch, self.get_params(ctx)
        )

    def _spellings(self, ctx: click.Context) -> list[str]:
        depth = len(self.branch.words)
        deeper = [recipe.words for recipe in self.branch.recipes()]
        deeper += [target.words for target in self.branch.imports()]
        return [*self.list_commands(ctx), *(" ".join(words[depth:]) for words in deeper)]


class RecipeCommand(click.Command):
    """The command that runs one recipe.

    Args:
        name: Its last word.
        recipe: The recipe.
    """

    def __init__(self, name: str, recipe: Runspec) -> None:
        super().__init__(
            name,
            params=_recipe_params(recipe),
            callback=click.pass_context(_run),
            context_settings=_HELP,
            help=recipe.docs,
        )
        self.recipe = recipe

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.recipe_page(app_of(ctx), ctx.command_path, self.recipe, self.params)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Explain the options that exist elsewhere but not here."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            self._explain(error.option_name)
            raise

    def _explain(self, option: str) -> None:
        if option.startswith("--art."):
            from nemo_runspec.suggest import did_you_mean

            key = option.removeprefix("--art.")
            known = self.recipe.artifacts.reads
            raise UsageError(
                f"Recipe {self.recipe.name!r} reads no artifact {key!r}.",
                where=str(self.recipe.path),
                hint=did_you_mean(key, known)
                or "It declares none in [tool.runspec.artifacts.reads].",
            )


def command_for(word: str, child: Branch | Runspec | ImportTarget | PipeTarget) -> click.Command:
    """Make the click command of one node of the tree."""
    if isinstance(child, Branch):
        return BranchGroup(word, child)
    if isinstance(child, Runspec):
        return RecipeCommand(word, child)
    if isinstance(child, PipeTarget):
        from nemotron.cli.pipeline.command import PipeCommand

        return PipeCommand(word, child)
    from nemotron.cli.imports.command import ImportCommand

    return ImportCommand(word, child)


def artifact_param(key: str) -> str:
    """Name the click parameter of ``--art.KEY``; parameters are identifiers, keys need not be."""
    return f"art_{key.encode().hex()}"


def _recipe_params(recipe: Runspec) -> list[click.Parameter]:
    return [
        click.Option(
            ["-c", "--config"],
            metavar="NAME|PATH",
            help=f"Configuration to use, by name or file. [default: {recipe.config.default}]",
            shell_complete=config_completer(recipe),
        ),
        *(
            click.Option([name], metavar="PROFILE", help=text, shell_complete=complete_profile)
            for name, text in _MODES.items()
        ),
        click.Option(
            ["--dry-run"],
            is_flag=True,
            help="Resolve and check everything, show it, and run nothing.",
        ),
        ROOT,
        JSON,
        QUIET,
        DEBUG,
        *(
            click.Option(
                [artifact_param(key), f"--art.{key}"],
                metavar="REF",
                help=kind,
                shell_complete=complete_reference,
            )
            for key, kind in recipe.artifacts.reads.items()
        ),
        click.Argument(
            ["overrides"],
            nargs=-1,
            metavar="KEY=VALUE",
            shell_complete=override_completer(recipe),
        ),
    ]


def _run(context: click.Context, **values: Any) -> int:
    from nemotron.cli.run import run_command

    command = context.command
    if not isinstance(command, RecipeCommand):
        raise TypeError(type(command).__name__)
    return run_command(app_of(context), command.recipe, values)
