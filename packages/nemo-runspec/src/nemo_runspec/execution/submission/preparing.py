"""Prepare a submission: everything of it stands on this machine before anybody is contacted."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nemo_runspec.config import save_configs
from nemo_runspec.errors import ExecutionError, NemotronError, UsageError
from nemo_runspec.execution.environment import JobEnvironment, collect_environment
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.launching import render_launch_script
from nemo_runspec.execution.nemo_run.child import RENDER, require_nemo_run, run_with_nemo_run
from nemo_runspec.execution.nemo_run.request import RenderRequest
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.profiles import Profile, SlurmProfile
from nemo_runspec.execution.submission.engines import prepare_for_engine
from nemo_runspec.execution.submission.launch import (
    image_of,
    launch_request,
    processes_per_node,
)
from nemo_runspec.execution.submission.model import (
    CODE_FOLDER,
    EXIT_FILE,
    INSIDE,
    LAUNCH_FILE,
    STAGING,
    STARTED_FILE,
    JobPlace,
    Mode,
    PreparedSubmission,
    launch_mode,
)
from nemo_runspec.execution.submission.packaging import PlacedCode, place_code

_JOBS = "job"
_REQUEST = "request.json"
# Stands for the folder of all jobs while NeMo-Run writes.
_STAND_IN = "/nemotron-folder-of-jobs"
_OF_TASK = '"${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"'


def prepare_submission(
    plan: RecipePlan,
    profile: Profile,
    *,
    mode: Mode,
    folder: Path,
    after: Sequence[JobRecord] = (),
    run_dir: Path | None = None,
) -> PreparedSubmission:
    """Write all that will be sent, and let NeMo-Run write its script.

    Args:
        plan: What is run.
        profile: Where and with what.
        mode: Attached, detached, or only put there for an interactive session.
        folder: Where it is written: the run directory, which is made here, and gone again if
            this fails.
        after: Jobs that have to end well before this one starts.
        run_dir: What the run directory will be called, where this is only to look at.

    Raises:
        MissingDependencyError: NeMo-Run is not installed.
        NemotronError: The profile lacks something, or the recipe cannot be packaged.
    """
    require_nemo_run()
    waiting = _scheduler_ids(after, profile)
    folder = folder.absolute()
    seen_as = (run_dir or folder).absolute()
    _make(folder)
    try:
        prepared = (
            _prepare(plan, profile, mode, folder, seen_as)
            if isinstance(profile, SlurmProfile)
            else prepare_for_engine(plan, profile, mode, folder, seen_as)
        )
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, NemotronError):
            raise ExecutionError(
                f"The job's files cannot be written: {error.strerror or error}.",
                where=str(folder),
                hint="Free some space there, or start from another folder.",
            ) from error
        raise
    return replace(prepared, after=waiting)


def _prepare(
    plan: RecipePlan, profile: SlurmProfile, mode: Mode, folder: Path, run_dir: Path
) -> PreparedSubmission:
    place = _place(plan, profile, run_dir)
    save_configs(plan.job, plan.train, folder)
    environment = collect_environment(plan, profile)
    staging = folder / STAGING
    job = staging / "experiments" / place.title / place.experiment_id / place.title
    code = place_code(plan, job / CODE_FOLDER, folder, place, apart=profile.over_ssh)
    request = launch_request(plan, profile, place, environment, code.script)
    launch_script = _with_mark(render_launch_script(request), place)
    (job / CODE_FOLDER / LAUNCH_FILE).write_text(launch_script, encoding="utf-8")
    rendered = _rendered_profile(plan, profile, environment, code)
    script = _render(rendered, mode, place, staging)
    return PreparedSubmission(
        plan=plan,
        profile=profile,
        mode=mode,
        folder=folder,
        place=place,
        contents=job.parent,
        script=script,
        launch_script=launch_script,
        environment=environment,
        image=rendered.container_image,
        mounts=profile.mounts,
        tree=code.tree,
    )


def _scheduler_ids(after: Sequence[JobRecord], profile: Profile) -> tuple[str, ...]:
    for record in after:
        if record.scheduler_id is None or record.executor != profile.executor:
            raise UsageError(
                f"The job {record.id} cannot be waited for: the scheduler of {profile.name!r} "
                "does not know it.",
                hint="Submit both with the same profile.",
            )
    return tuple(record.scheduler_id for record in after if record.scheduler_id is not None)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ExecutionError(
            f"The run directory cannot be created: {error.strerror}.",
            where=str(folder),
            hint="Start from a folder that you may write to.",
        ) from error


def _place(plan: RecipePlan, profile: SlurmProfile, run_dir: Path) -> JobPlace:
    return JobPlace(
        base=(profile.remote_job_dir or str(run_dir / _JOBS)).rstrip("/"),
        title=plan.title,
        stamp=run_dir.name,
        contained=image_of(plan, profile) is not None,
    )


def _rendered_profile(
    plan: RecipePlan, profile: SlurmProfile, environment: JobEnvironment, code: PlacedCode
) -> SlurmProfile:
    """What NeMo-Run is told: none of what it would write unquoted, and no variable's value."""
    trees = () if code.tree is None else (f"{code.tree.path}:{code.tree.path}",)
    names = (*profile.container_env, *environment.secrets, "NEMO_RUN_DIR")
    tasks = processes_per_node(plan, profile) if plan.recipe.run.launch == "direct" else 1
    return replace(
        profile,
        container_image=image_of(plan, profile),
        mounts=(*profile.mounts, *trees),
        container_env=tuple(dict.fromkeys(names)),
        env_vars={},
        startup_commands=(),
        ntasks_per_node=tasks,
    )


def _render(profile: SlurmProfile, mode: Mode, place: JobPlace, staging: Path) -> str:
    # NeMo-Run replaces what looks like its own folder everywhere in the script, in paths too.
    rendered = replace(place, base=_STAND_IN)
    request = RenderRequest(
        profile=profile,
        mode=launch_mode(mode),
        title=place.title,
        id=place.experiment_id,
        task=place.title,
        tunnel_dir=rendered.base,
        launch=f"{INSIDE}/{CODE_FOLDER}/{LAUNCH_FILE}",
        setup=_setup(rendered),
    )
    experiment = Path("experiments", place.title, place.experiment_id)
    # It hands paths to a shell unquoted: the user's folders may be called as they like.
    with tempfile.TemporaryDirectory(prefix="nemotron-") as home:
        file = Path(home, _REQUEST)
        file.write_text(request.to_json(), encoding="utf-8")
        run_with_nemo_run(RENDER, file, Path(home))
        shutil.copytree(Path(home, experiment), staging / experiment, dirs_exist_ok=True)
    script = staging / experiment / Path(place.script).name
    text = script.read_text(encoding="utf-8").replace(_STAND_IN, place.base)
    script.write_text(text, encoding="utf-8")
    return text


def _with_mark(launch_script: str, place: JobPlace) -> str:
    """Let the first line after the interpreter's leave a mark that a process was started at all."""
    interpreter, _, rest = launch_script.partition("\n")
    return f"{interpreter}\n: >{place.seen_job_dir}/{STARTED_FILE}{_OF_TASK}\n{rest}"


def _setup(place: JobPlace) -> str:
    """Lines that leave the job's exit code in its run directory, whoever ends it.

    Where a container cannot be made, some releases of srun say so and end with 0.
    """
    file = f"{place.job_dir}/{EXIT_FILE}{_OF_TASK}"
    started = f"{place.job_dir}/{STARTED_FILE}{_OF_TASK}"
    judged = f"[ $code -ne 0 ] || [ -e {started} ] || code=1"
    written = f"echo $code >{file}.new; mv {file}.new {file}"
    return "\n".join(
        (
            "{ set +vx; } 2>/dev/null",
            f"export NEMO_RUN_DIR={place.job_dir}",
            f"rm -f {file} {started}",
            f"trap 'code=$?; {judged}; {written}; exit $code' EXIT",
            "trap 'exit 143' TERM",
        )
    )
