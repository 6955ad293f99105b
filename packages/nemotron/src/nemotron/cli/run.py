"""What a recipe's command does: plan, show, run, report."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from nemo_runspec.config import list_configs
from nemo_runspec.config.arguments import artifact_override
from nemo_runspec.errors import UsageError
from nemo_runspec.execution import (
    RecipeRequest,
    plan_recipe,
    preview_config,
    preview_recipe,
    run_recipe,
)
from nemo_runspec.runspec import Runspec
from nemotron.cli.app import App, output_mode
from nemotron.cli.commands import artifact_param
from nemotron.cli.jobs.launch import MODES, Launch
from nemotron.cli.run_reports import reporter_for

_DEBUG_VARIABLE = "NEMOTRON_DEBUG"


def run_command(app: App, recipe: Runspec, values: Mapping[str, Any]) -> int:
    """Run a recipe, or show what would run.

    Args:
        app: The invocation.
        recipe: The recipe.
        values: The parameters of its click command.

    Returns:
        The job's exit code; 0 for a dry run.
    """
    launch = chosen_launch(values)
    plan = plan_recipe(_request(app, recipe, values, launch))
    for warning in plan.checked.warnings:
        app.warn(warning)
    debug = {_DEBUG_VARIABLE: "1"} if values["debug"] else {}
    environment = {**os.environ, **debug}
    if launch is not None:
        from nemotron.cli.jobs.submitting import launch_recipe

        return launch_recipe(app, plan, launch, values)
    reporter = reporter_for(app, output_mode(values))
    if values["dry_run"]:
        reporter.planned(plan, preview_config(plan.train))
        reporter.previewed(preview_recipe(plan, environment=environment))
        return 0
    with reporter.streams() as streams:
        outcome = run_recipe(
            plan, announce=reporter.started, streams=streams, environment=environment
        )
        reporter.finished(outcome)
    return outcome.exit_code


def chosen_launch(values: Mapping[str, Any]) -> Launch | None:
    """What ``--run``, ``--batch`` and ``--stage`` ask for; None where none of them is given.

    Args:
        values: The parameters of the click command.

    Raises:
        UsageError: Two of them are given, or one without a profile.
    """
    asked = [Launch(mode, values[mode]) for mode in MODES if values[mode] is not None]
    for launch in asked:
        if launch.profile.startswith("-"):
            raise UsageError(
                f"--{launch.mode} is followed by the name of a profile, not by {launch.profile}.",
                hint="See 'nemotron profiles ls'.",
            )
    if len(asked) > 1:
        first, second = asked[:2]
        raise UsageError(
            f"'--{first.mode}' and '--{second.mode}' exclude each other.",
            hint="--run waits for the job, --batch does not, --stage submits none: take one.",
        )
    return asked[0] if asked else None


def _refuse_configurations(recipe: Runspec, words: Iterable[str]) -> None:
    """A configuration's name without the option before it would be an override without a value."""
    known = set(list_configs(recipe.config.dir))
    for word in words:
        if word in known:
            raise UsageError(
                f"'{word}' is a configuration, not an override.", hint=f"Write -c {word}."
            )


def _request(
    app: App, recipe: Runspec, values: Mapping[str, Any], launch: Launch | None
) -> RecipeRequest:
    overrides = list(values["overrides"])
    _refuse_configurations(recipe, overrides)
    for key in recipe.artifacts.reads:
        reference = values[artifact_param(key)]
        if reference is not None:
            overrides.append(artifact_override(f"--art.{key}", reference))
    if values["root"] is not None:
        overrides.append(f"artifacts.manifest.root={values['root']}")
    return RecipeRequest(
        recipe=recipe,
        config=values["config"],
        overrides=tuple(overrides),
        argv=("nemotron", *app.argv),
        cwd=app.cwd,
        recipes=tuple(app.recipes.root.recipes()),
        profile=None if launch is None else launch.profile,
    )
