"""``--run``, ``--batch`` and ``--stage``: submit a recipe with a profile, or show what would be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.distributed.folders import propose_run_directory
from nemo_runspec.execution import RecipePlan, RecipePreview, preview_config, preview_recipe
from nemo_runspec.execution.environment import collect_environment
from nemo_runspec.execution.jobs.local_submission import (
    local_commands,
    local_environment,
    local_script,
    submit_locally,
)
from nemo_runspec.execution.local import prepare_run
from nemo_runspec.execution.profiles import Profile, read_profile
from nemo_runspec.execution.submission.leftovers import remove_leftovers
from nemo_runspec.scratch import scratch_folder
from nemotron.cli.app import App, output_mode
from nemotron.cli.jobs.attaching import DETACHED, attach
from nemotron.cli.jobs.launch import Launch
from nemotron.cli.jobs.reporters import reporter_for
from nemotron.cli.jobs.reporting import Planned, Submission

_DEBUG_VARIABLE = "NEMOTRON_DEBUG"


def launch_recipe(app: App, plan: RecipePlan, launch: Launch, values: Mapping[str, Any]) -> int:
    """Submit a recipe with a profile, or show what would be submitted.

    Args:
        app: The invocation.
        plan: The job.
        launch: With which profile, and who waits.
        values: The parameters of the click command.

    Returns:
        The job's exit code where the command waits for it; else 0.
    """
    remove_leftovers(app.cwd)
    profile = read_profile(plan.job, plan.recipe, name=launch.profile)
    for sentence in profile.told:
        app.warn(sentence)
    reporter = reporter_for(app, output_mode(values))
    debug = {_DEBUG_VARIABLE: "1"} if values["debug"] else {}
    environ = {**os.environ, **debug}
    for sentence in collect_environment(plan, profile, environ=environ).warnings:
        app.warn(sentence)
    if values["dry_run"]:
        reporter.planned(_planned(app, plan, launch, profile, environ))
        reporter.previewed(_preview(plan, profile, environ))
        return 0
    if profile.executor == "local":
        submission = _submit_here(plan, launch, profile, environ)
    else:
        submission = _submit_there(app, plan, launch, profile)
    record = submission.record
    if launch.mode != "run" or record is None:
        reporter.submitted(submission)
        return 0
    try:
        reporter.submitted(submission)
    except KeyboardInterrupt:
        # The job is there: whoever is in a hurry has to know how to find it again.
        reporter.detached(record)
        return DETACHED
    return attach(app, record, reporter)


def _planned(
    app: App, plan: RecipePlan, launch: Launch, profile: Profile, environ: Mapping[str, str]
) -> Planned:
    with app.waiting("Rendering what would be submitted"):
        scripts = _scripts(plan, launch, profile)
    return Planned(
        plan=plan,
        launch=launch,
        profile=profile,
        environment=collect_environment(plan, profile, environ=environ),
        scripts=scripts,
        train=preview_config(plan.train, unknown=plan.unpinned),
    )


def _preview(
    plan: RecipePlan, profile: Profile, environ: Mapping[str, str]
) -> RecipePreview | None:
    """What the job would make, where this machine has the files and the packages that it needs."""
    if profile.executor == "local":
        variables = local_environment(plan, profile, environ=environ)
        return preview_recipe(plan, environment=variables)
    if profile.elsewhere or plan.unpinned or plan.image:
        return None
    return preview_recipe(plan, environment=environ)


def _scripts(plan: RecipePlan, launch: Launch, profile: Profile) -> dict[str, str]:
    """What would run, by what it is: for a scheduler its script, and what starts the recipe."""
    if profile.executor == "local":
        return {"script": local_script(plan, profile, Path("RUN_DIR"))}
    from nemo_runspec.execution.submission import prepare_submission

    with scratch_folder("dry-run") as folder:
        prepared = prepare_submission(
            plan,
            profile,
            mode=launch.mode,
            folder=Path(folder) / "run",
            run_dir=_proposed(plan),
        )
    scripts = {"script": prepared.script}
    # An engine has no script of its own around the one that starts the recipe.
    if prepared.launch_script != prepared.script:
        scripts["launch_script"] = prepared.launch_script
    return scripts


def _submit_here(
    plan: RecipePlan, launch: Launch, profile: Profile, environ: Mapping[str, str]
) -> Submission:
    run = prepare_run(plan)
    staged = launch.mode == "stage"
    record = None if staged else submit_locally(run, profile, mode=launch.mode, environ=environ)
    script = local_commands(plan, profile, run.run_dir) if staged else None
    return Submission(
        plan=plan,
        launch=launch,
        profile=profile,
        record=record,
        run_dir=run.run_dir,
        script=script,
    )


def _submit_there(app: App, plan: RecipePlan, launch: Launch, profile: Profile) -> Submission:
    from nemo_runspec.execution.submission import prepare_submission, stage, submit

    run_dir = _proposed(plan)
    record, script = None, None
    with app.waiting(f"Submitting with {profile.name}"):
        prepared = prepare_submission(plan, profile, mode=launch.mode, folder=run_dir)
        if launch.mode == "stage":
            script = "".join(f"{command}\n" for command in stage(prepared).commands)
        else:
            record = submit(prepared)
    return Submission(
        plan=plan, launch=launch, profile=profile, record=record, run_dir=run_dir, script=script
    )


def _proposed(plan: RecipePlan) -> Path:
    return propose_run_directory(plan.cwd, plan.title)
