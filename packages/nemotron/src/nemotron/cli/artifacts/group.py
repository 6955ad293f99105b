"""The group ``nemotron artifacts``; the module of a command is loaded when the command runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from nemotron.cli.commands import ROOT
from nemotron.cli.completion import complete_reference
from nemotron.cli.module_commands import ModuleGroup


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


def artifacts_group() -> click.Group:
    """Make the group."""
    group = ModuleGroup(
        "artifacts",
        "nemotron.cli.artifacts",
        "Look at recorded artifacts, and keep them in order.",
    )
    for entry in _ENTRIES:
        group.add(entry.name, entry.help, [*entry.params, ROOT])
    return group


def reference(metavar: str = "REF", name: str = "reference") -> click.Argument:
    """Make the parameter of a command that takes an artifact's name or reference.

    Args:
        metavar: How help pages call it; in brackets where it can be left out.
        name: The parameter's own name.
    """
    required = not metavar.startswith("[")
    return click.Argument(
        [name], metavar=metavar, required=required, shell_complete=complete_reference
    )


def _flag(name: str, text: str) -> click.Option:
    return click.Option([name], is_flag=True, help=text)


def _choice(name: str, default: str, *others: str) -> click.Option:
    words = (default, *others)
    text = f"One of {', '.join(words)}. [default: {default}]"
    return click.Option([name], type=click.Choice(words), default=default, help=text)


_ENTRIES = (
    Entry("ls", "List artifacts, or the versions of one.", [reference("[NAME]")]),
    Entry("show", "Show one version: its manifest.", [reference()]),
    Entry(
        "lineage",
        "Show what a version was made from, to the raw files, and what was made from it.",
        [
            reference(),
            _choice("--format", "tree", "mermaid", "dot", "json", "openlineage"),
            _choice("--direction", "both", "up", "down"),
        ],
    ),
    Entry(
        "why",
        "Show where the histories of two versions first differ.",
        [reference("A"), reference("B", "other")],
    ),
    Entry(
        "alias",
        "Let a word mean a version, move or remove it; without ALIAS, list them.",
        [
            reference(),
            click.Argument(["alias"], metavar="[ALIAS]", required=False),
            _flag("--remove", "Remove the alias instead: NAME:ALIAS --remove."),
        ],
    ),
    Entry("verify", "Check that the data of a version is still what was recorded.", [reference()]),
    Entry(
        "withdraw",
        "Take a version out of use; its record, number and data stay.",
        [
            reference(),
            click.Option(
                ["--reason"], metavar="TEXT", required=True, help="Why, for whoever asks later."
            ),
        ],
    ),
    Entry("restore", "Take a withdrawn version into use again.", [reference()]),
    Entry(
        "gc",
        "Show which versions nobody needs any more; withdraw them with --apply.",
        [
            click.Option(
                ["--keep"],
                type=int,
                default=1,
                metavar="N",
                help="Keep the last N versions of every name. [default: 1]",
            ),
            click.Option(
                ["--older-than"],
                type=click.FloatRange(min=0),
                default=0,
                metavar="DAYS",
                help="Keep what was recorded in the last DAYS days. [default: 0]",
            ),
            click.Option(
                ["--exclude"],
                multiple=True,
                metavar="NAME",
                help="Keep all versions of this name. May be given several times.",
                shell_complete=complete_reference,
            ),
            _flag("--apply", "Withdraw the candidates."),
            _flag("--delete-data", "With --apply: delete their data too, where nothing needs it."),
        ],
    ),
    Entry(
        "sync",
        "Deliver to W&B what an outage kept back; without an argument, of every run.",
        [
            click.Argument(["places"], metavar="[RUN_DIR|REF]...", nargs=-1),
            _flag("--dry-run", "List what waits, and ask no server."),
        ],
    ),
    Entry(
        "doctor",
        "Examine a store: what it honours, what is wrong with it, and the cure.",
        [
            click.Argument(["place"], metavar="[ROOT]", required=False),
            _flag("--repair", "Make again what can be derived from manifests."),
        ],
    ),
)
