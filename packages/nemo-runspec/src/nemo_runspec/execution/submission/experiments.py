"""Write an experiment of NeMo-Run: the code of its jobs, what starts them, their scripts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nemo_runspec.config import save_configs
from nemo_runspec.execution.environment import JobEnvironment, collect_environment
from nemo_runspec.execution.jobs.slurm_asking import EXIT_FILE, STARTED_FILE
from nemo_runspec.execution.launching import render_launch_script
from nemo_runspec.execution.marks import claim
from nemo_runspec.execution.nemo_run.child import RENDER, run_with_nemo_run
from nemo_runspec.execution.nemo_run.request import RenderRequest, as_json
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.profiles import SlurmProfile
from nemo_runspec.execution.submission.launch import (
    image_of,
    launch_request,
    processes_per_node,
)
from nemo_runspec.execution.submission.model import (
    CODE_FOLDER,
    INSIDE,
    LAUNCH_FILE,
    STAGING,
    JobPlace,
    Mode,
    PreparedSubmission,
    launch_mode,
)
from nemo_runspec.execution.submission.packaging import PlacedCode, place_code
from nemo_runspec.scratch import scratch_folder

_JOBS = "job"
_REQUEST = "request.json"
# Stands for the folder of all jobs while NeMo-Run writes.
_STAND_IN = "/nemotron-folder-of-jobs"
_OF_TASK = '"${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One job of an experiment, before anything of it is written.

    Attributes:
        plan: What is run.
        profile: Where and with what.
        folder: Its run directory on this machine.
        name: What it is called in the experiment, where no other has this name.
        after: The names of the jobs of the experiment that have to end well before.
    """

    plan: RecipePlan
    profile: SlurmProfile
    folder: Path
    name: str
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Experiment:
    """What jobs that are sent together are part of.

    Attributes:
        title: Its title, which is the first folder that it lies in.
        stamp: What tells it from others of that title.
        folder: The folder of this machine that it is written into until it is sent.
        home: What that folder will be called, where this is only to look at. Jobs that are
            submitted on this machine lie in it, unless their profile names another.
    """

    title: str
    stamp: str
    folder: Path
    home: Path

    @property
    def written(self) -> Path:
        """Where it is written, as it will be sent."""
        return self.folder / STAGING / "experiments" / self.title / f"{self.title}_{self.stamp}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A job of which all is written but the script for the scheduler."""

    task: Task
    place: JobPlace
    environment: JobEnvironment
    code: PlacedCode
    launch_script: str

    @property
    def rendered_profile(self) -> SlurmProfile:
        """What NeMo-Run is told: none of what it would write unquoted, and no variable's value."""
        plan, profile, tree = self.task.plan, self.task.profile, self.code.tree
        trees = () if tree is None else (f"{tree.path}:{tree.path}",)
        names = (*profile.container_env, *self.environment.secrets, "NEMO_RUN_DIR")
        tasks = processes_per_node(plan, profile) if plan.recipe.run.launch == "direct" else 1
        return replace(
            profile,
            container_image=image_of(plan, profile),
            mounts=(*profile.mounts, *trees),
            container_env=tuple(dict.fromkeys(names)),
            env_vars={},
            startup_commands=(),
            ntasks_per_node=tasks,
            srun_args=(*_own_log(profile, self.place), *profile.srun_args),
        )


def write_experiment(
    tasks: Sequence[Task], experiment: Experiment, mode: Mode
) -> tuple[PreparedSubmission, ...]:
    """Write all that will be sent; one process of NeMo-Run writes all scripts.

    Args:
        tasks: The jobs, whose run directories stand, each behind those that it waits for.
        experiment: What they are part of.
        mode: Attached, detached, or only put there.

    Raises:
        NemotronError: A profile lacks something, or a recipe cannot be packaged.
    """
    claim(experiment.folder / STAGING)
    drafts = [_write(task, experiment) for task in tasks]
    _render(drafts, experiment, mode)
    return tuple(_prepared(draft, experiment, mode) for draft in drafts)


def _write(task: Task, experiment: Experiment) -> _Draft:
    plan, profile = task.plan, task.profile
    # Before anything is packed: NeMo-Run would find it out seconds later.
    profile.login_node()
    place = JobPlace(
        base=(profile.remote_job_dir or str(experiment.home / _JOBS)).rstrip("/"),
        title=experiment.title,
        stamp=experiment.stamp,
        task=task.name,
        contained=image_of(plan, profile) is not None,
    )
    save_configs(plan.job, plan.train, task.folder)
    environment = collect_environment(plan, profile)
    folder = experiment.written / task.name / CODE_FOLDER
    code = place_code(plan, folder, task.folder, place, apart=profile.over_ssh)
    request = launch_request(plan, profile, place, environment, code.script)
    launch_script = _with_mark(render_launch_script(request), place)
    (folder / LAUNCH_FILE).write_text(launch_script, encoding="utf-8")
    return _Draft(
        task=task, place=place, environment=environment, code=code, launch_script=launch_script
    )


def _render(drafts: Sequence[_Draft], experiment: Experiment, mode: Mode) -> None:
    requests = [_request(draft, mode) for draft in drafts]
    written = experiment.written
    # It hands paths to a shell unquoted: the user's folders may be called as they like.
    with scratch_folder("nemo-run") as home:
        file = Path(home, _REQUEST)
        file.write_text(as_json(requests), encoding="utf-8")
        run_with_nemo_run(RENDER, file, Path(home))
        made = Path(home, "experiments", experiment.title, written.name)
        shutil.copytree(made, written, dirs_exist_ok=True)


def _request(draft: _Draft, mode: Mode) -> RenderRequest:
    # NeMo-Run replaces what looks like its own folder everywhere in the script, in paths too.
    place = replace(draft.place, base=_STAND_IN)
    return RenderRequest(
        profile=draft.rendered_profile,
        mode=launch_mode(mode),
        title=place.title,
        id=place.experiment_id,
        task=place.task,
        tunnel_dir=place.base,
        launch=f"{INSIDE}/{CODE_FOLDER}/{LAUNCH_FILE}",
        setup=_setup(place),
        after=draft.task.after,
    )


def _prepared(draft: _Draft, experiment: Experiment, mode: Mode) -> PreparedSubmission:
    task, place = draft.task, draft.place
    file = experiment.written / Path(place.script).name
    script = file.read_text(encoding="utf-8").replace(_STAND_IN, place.base)
    file.write_text(script, encoding="utf-8")
    return PreparedSubmission(
        plan=task.plan,
        profile=task.profile,
        mode=mode,
        folder=task.folder,
        place=place,
        contents=experiment.written,
        script=script,
        launch_script=draft.launch_script,
        environment=draft.environment,
        image=image_of(task.plan, task.profile),
        mounts=task.profile.mounts,
        tree=draft.code.tree,
    )


def _own_log(profile: SlurmProfile, place: JobPlace) -> tuple[str, ...]:
    """Name the log of an array's task by its number, which the number of its job does not tell."""
    if profile.array is None:
        return ()
    folder = replace(place, base=_STAND_IN).job_dir
    return (f"--output={folder}/log-task_%a_${{SLURM_RESTART_COUNT:-0}}.out",)


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
