"""``nemotron artifacts``: look at what was recorded."""

from __future__ import annotations

from typing import Any

import click

from nemotron.cli import help_pages
from nemotron.cli.app import output_mode
from nemotron.cli.commands import DEBUG, JSON, QUIET, ROOT, CommandGroup, app_of

_REFERENCE = "REF"


class ArtifactsGroup(CommandGroup):
    """The group ``nemotron artifacts``."""

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.commands_page(app_of(ctx), ctx, self.commands)


class ArtifactsCommand(click.Command):
    """One of its commands."""

    def get_help(self, ctx: click.Context) -> str:
        """Draw the help page."""
        return help_pages.command_page(app_of(ctx), ctx)


def artifacts_group() -> click.Group:
    """Make the group."""
    group = ArtifactsGroup("artifacts", help="Look at recorded artifacts and their lineage.")
    group.add_command(_command("ls", _ls, "List artifacts, or the versions of one.", "[NAME]"))
    group.add_command(_command("show", _show, "Show one version: its manifest.", _REFERENCE))
    group.add_command(
        _command(
            "lineage", _lineage, "Show what a version was made from, to the raw files.", _REFERENCE
        )
    )
    return group


def _command(name: str, callback: Any, text: str, metavar: str) -> click.Command:
    argument = click.Argument(["reference"], metavar=metavar, required=metavar == _REFERENCE)
    return ArtifactsCommand(
        name,
        params=[argument, ROOT, JSON, QUIET, DEBUG],
        callback=click.pass_context(callback),
        help=text,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _ls(context: click.Context, **values: Any) -> None:
    from nemotron.cli import artifact_reports as reports

    store = reports.Store(app_of(context), values["root"])
    reports.list_artifacts(store, values["reference"], output_mode(values))


def _show(context: click.Context, **values: Any) -> None:
    from nemotron.cli import artifact_reports as reports

    store = reports.Store(app_of(context), values["root"])
    reports.show_manifest(store, values["reference"], output_mode(values))


def _lineage(context: click.Context, **values: Any) -> None:
    from nemotron.cli import artifact_reports as reports

    store = reports.Store(app_of(context), values["root"])
    reports.show_lineage(store, values["reference"], output_mode(values))
