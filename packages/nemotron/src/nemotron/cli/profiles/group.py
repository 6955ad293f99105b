"""The group ``nemotron profiles``; the module of a command is loaded when the command runs."""

from __future__ import annotations

import click

from nemotron.cli.completion import complete_profile
from nemotron.cli.module_commands import ModuleGroup

_UNUSED = click.Option(
    ["--unused-days"],
    type=click.IntRange(min=0),
    metavar="N",
    default=30,
    help="Keep what a job was sent with in the last N days, longer than any job runs. "
    "[default: 30]",
)


def profiles_group() -> click.Group:
    """Make the group."""
    group = ModuleGroup(
        "profiles", "nemotron.cli.profiles", "Look at the profiles of env.toml, and try them."
    )
    group.add("ls", "List the profiles.")
    group.add("show", "Show what a profile says, and where it says it.", [_name()])
    group.add("check", "Look for what would keep a profile's jobs away.", [_name()])
    group.add("prune", "Remove code from a profile's machine that no job uses.", [_name(), _UNUSED])
    return group


def _name() -> click.Argument:
    return click.Argument(["name"], metavar="NAME", shell_complete=complete_profile)
