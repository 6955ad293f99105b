"""The group ``nemotron profiles``; the module of a command is loaded when the command runs."""

from __future__ import annotations

import click

from nemotron.cli.completion import complete_profile
from nemotron.cli.module_commands import ModuleGroup


def profiles_group() -> click.Group:
    """Make the group."""
    group = ModuleGroup(
        "profiles", "nemotron.cli.profiles", "Look at the profiles of env.toml, and try them."
    )
    group.add("ls", "List the profiles.")
    group.add("show", "Show what a profile says, and where it says it.", [_name()])
    group.add("check", "Look for what would keep a profile's jobs away.", [_name()])
    return group


def _name() -> click.Argument:
    return click.Argument(["name"], metavar="NAME", shell_complete=complete_profile)
