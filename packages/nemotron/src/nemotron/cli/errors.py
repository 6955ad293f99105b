"""Errors on one screen: what, where, what to do; and as a JSON document."""

from __future__ import annotations

import traceback
from typing import Any

import click

from nemo_runspec.errors import NemotronError, UsageError
from nemotron.cli.panels import Screen, wrap

# A profile's name belongs to each.
_WITH_PROFILE = ("--run", "--batch", "--stage")


def as_nemotron_error(error: click.ClickException) -> NemotronError:
    """Translate what click says about a command line."""
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else None
    help_hint = f"See '{command or 'nemotron'} --help'."
    if isinstance(error, click.NoSuchOption):
        close = f"Did you mean {error.possibilities[0]!r}? " if error.possibilities else ""
        return UsageError(
            f"'{command or 'nemotron'}' has no option {error.option_name!r}.",
            hint=f"{close}{help_hint}",
        )
    if isinstance(error, click.BadOptionUsage) and error.option_name in _WITH_PROFILE:
        return UsageError(
            f"{error.option_name} is followed by the name of a profile.",
            hint="See 'nemotron profiles ls'.",
        )
    sentence = error.format_message().strip()
    return UsageError(sentence if sentence.endswith((".", "?")) else f"{sentence}.", hint=help_hint)


def error_screen(error: NemotronError, screen: Screen) -> str:
    """Lay an error out as text: one part a line, wrapped to the screen."""
    parts = [("error", error.what), ("where", error.where), ("hint", error.hint)]
    lines: list[str] = []
    for label, text in parts:
        if text is None:
            continue
        limit = None if screen.width is None else screen.width - len(label) - 2
        first, *rest = wrap(text, limit)
        styled = screen.style(f"{label}:", "1;31" if label == "error" else "36")
        lines.append(f"{styled} {first}")
        lines.extend(" " * (len(label) + 2) + line for line in rest)
    return "\n".join(lines) + "\n"


def error_document(error: NemotronError) -> dict[str, Any]:
    """Give an error as JSON data."""
    return {
        "type": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def traceback_text(error: BaseException) -> str:
    """Format the traceback that ``--debug`` adds."""
    return "".join(traceback.format_exception(error))
