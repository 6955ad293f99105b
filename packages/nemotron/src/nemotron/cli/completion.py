"""What a shell completes beside commands and options: references, configurations, overrides.

Loaded with every command line, so only click is imported here; the store is opened when a
reference is completed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import click
from click.shell_completion import CompletionItem

from nemo_runspec.config import list_configs
from nemo_runspec.env_toml import find_env_toml, load_env_toml
from nemo_runspec.errors import NemotronError
from nemo_runspec.runspec import Runspec
from nemotron.cli.app import App

COMPLETION_VARIABLE = "_NEMOTRON_COMPLETE"

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list["CompletionItem[str]"]]


def complete_reference(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Complete an artifact's name, then its versions and aliases."""
    return [CompletionItem(text) for text in _references(ctx, incomplete)]


def complete_profile(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Complete the name of an execution profile of env.toml."""
    try:
        file = find_env_toml(_cwd(ctx))
        names = [] if file is None else sorted(load_env_toml(file).profiles)
    except NemotronError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_job(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Complete the id of a job, the newest first."""
    from nemo_runspec.execution.jobs import list_records

    try:
        ids = [record.id for record in reversed(list_records(_cwd(ctx)))]
    except NemotronError:
        return []
    return [CompletionItem(name) for name in ids if name.startswith(incomplete)]


def config_completer(recipe: Runspec) -> Completer:
    """Make what completes a recipe's ``--config``: the names of its configurations, or a file."""

    def complete(
        _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        if "/" in incomplete:
            return [CompletionItem(incomplete, type="file")]
        names = list_configs(recipe.config.dir)
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    return complete


def override_completer(recipe: Runspec) -> Completer:
    """Make what completes ``run.KEY=REF`` of the artifacts that a recipe reads."""

    def complete(
        ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        key, equals, value = incomplete.partition("=")
        keys = [f"run.{name}" for name in recipe.artifacts.reads]
        if equals and key in keys:
            return [CompletionItem(f"{key}={text}") for text in _references(ctx, value)]
        return [CompletionItem(f"{each}=") for each in keys if each.startswith(incomplete)]

    return complete


def _cwd(ctx: click.Context) -> Path:
    app = ctx.find_object(App)
    return Path.cwd() if app is None else app.cwd


def _references(ctx: click.Context, incomplete: str) -> list[str]:
    from nemotron.cli.artifacts.suggestions import suggest_references

    try:
        return suggest_references(ctx, incomplete)
    except NemotronError:
        # A shell has no place for messages; the command itself will say what is wrong.
        return []
