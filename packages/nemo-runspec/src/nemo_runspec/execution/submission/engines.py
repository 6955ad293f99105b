"""Jobs on engines that NeMo-Run starts them on: containers here, clouds, Kubernetes."""

from __future__ import annotations

import getpass
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from nemo_runspec.config import save_configs
from nemo_runspec.errors import ProfileError, UsageError
from nemo_runspec.execution.environment import collect_environment
from nemo_runspec.execution.jobs.engine import HOME
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.launching import render_launch_script
from nemo_runspec.execution.marks import claim
from nemo_runspec.execution.nemo_run.child import START, run_with_nemo_run
from nemo_runspec.execution.nemo_run.handles import HANDLE_FILE
from nemo_runspec.execution.nemo_run.request import RenderRequest
from nemo_runspec.execution.nemo_run.start import LOGIN_VARIABLE
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.profiles import (
    DgxCloudProfile,
    KubeflowProfile,
    KubeRayProfile,
    LeptonProfile,
    Profile,
)
from nemo_runspec.execution.submission.announcing import announce, confirm
from nemo_runspec.execution.submission.launch import image_of, launch_request
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
from nemo_runspec.execution.submission.packaging import place_code
from nemo_runspec.execution.submission.recording import record_of
from nemo_runspec.signals import not_now
from nemo_runspec.url_secrets import REDACTED

_REQUEST = "request.json"
_START_S = 3600.0


def prepare_for_engine(
    plan: RecipePlan, profile: Profile, mode: Mode, folder: Path, run_dir: Path
) -> PreparedSubmission:
    """Write all that the engine will be given.

    Args:
        plan: What is run.
        profile: Where and with what.
        mode: Attached or detached.
        folder: The run directory, which stands.
        run_dir: What it will be called.

    Raises:
        UsageError: The executor has no such mode, or jobs of this machine.
        NemotronError: The profile lacks something, or the recipe cannot be packaged.
    """
    if profile.executor == "local":
        raise UsageError("Jobs of this machine are not submitted; they are started.")
    if mode == "stage":
        raise UsageError(
            f"Jobs of the executor {profile.executor!r} cannot be staged: there is no session to "
            "start them in.",
            hint="Use --run or --batch, or a profile of a Slurm cluster.",
        )
    place = _place(plan, profile, run_dir)
    claim(folder / STAGING)
    save_configs(plan.job, plan.train, folder)
    environment = collect_environment(plan, profile)
    home = folder / HOME
    job = home / "experiments" / place.title / place.experiment_id / place.task
    code = place_code(plan, job / CODE_FOLDER, folder, place, apart=False)
    script = render_launch_script(launch_request(plan, profile, place, environment, code.script))
    (job / CODE_FOLDER / LAUNCH_FILE).write_text(script, encoding="utf-8")
    return PreparedSubmission(
        plan=plan,
        profile=profile,
        mode=mode,
        folder=folder,
        place=place,
        contents=job.parent,
        script=script,
        launch_script=script,
        environment=environment,
        image=image_of(plan, profile),
        mounts=profile.mounts,
    )


def start_on_engine(prepared: PreparedSubmission) -> JobRecord:
    """Let NeMo-Run start a prepared job, and write down what it is called.

    Secrets go to the engine through its interface. What NeMo-Run saves of them is masked.

    Args:
        prepared: The job.

    Raises:
        ExecutionError: NeMo-Run or the engine refuses it.
    """
    place = _seen_place(prepared)
    # What NeMo-Run calls the files that the job prints into.
    files = f"{place}/log_*.out"
    announced = replace(record_of(prepared, None), job_dir=place, log_pattern=files)
    try:
        announce(announced)
        # An image that is pulled takes long: this may be interrupted.
        handle = _start(prepared, prepared.folder / HOME)
        with not_now():
            record = replace(announced, scheduler_id=handle)
            confirm(record)
            shutil.rmtree(prepared.folder / STAGING)
    except BaseException:
        shutil.rmtree(prepared.folder, ignore_errors=True)
        raise
    return record


def _start(prepared: PreparedSubmission, home: Path) -> str:
    place, profile = prepared.place, prepared.profile
    given, login = _without_login(profile)
    request = RenderRequest(
        profile=replace(given, container_image=prepared.image, env_vars={}, startup_commands=()),
        mode=launch_mode(prepared.mode),
        title=place.title,
        id=place.experiment_id,
        task=place.task,
        tunnel_dir=place.base,
        launch=f"{place.seen_code_dir}/{LAUNCH_FILE}",
        secret_names=tuple(prepared.environment.secrets),
    )
    staging = prepared.folder / STAGING
    file = staging / _REQUEST
    file.write_text(request.to_json(), encoding="utf-8")
    run_with_nemo_run(
        START,
        file,
        home,
        environment={**prepared.environment.secrets, **login},
        timeout_s=_START_S,
    )
    return (staging / HANDLE_FILE).read_text(encoding="utf-8")


def _without_login(profile: Profile) -> tuple[Profile, dict[str, str]]:
    """The profile as files may have it, and what the process that submits needs beside it."""
    if not isinstance(profile, DgxCloudProfile) or profile.client_secret is None:
        return profile, {}
    login = {LOGIN_VARIABLE: profile.client_secret}
    return replace(profile, client_secret=REDACTED), login


def _seen_place(prepared: PreparedSubmission) -> str:
    """Where the job's folder is: on this machine, or on a volume of the engine's."""
    profile, place = prepared.profile, prepared.place
    below = f"experiments/{place.title}/{place.experiment_id}/{place.task}"
    if isinstance(profile, DgxCloudProfile):
        return f"{profile.pvc_nemo_run_dir}/{below}"
    if isinstance(profile, LeptonProfile):
        return f"{profile.nemo_run_dir}/{below}"
    if isinstance(profile, (KubeflowProfile, KubeRayProfile)):
        return place.inside
    return place.job_dir


def _place(plan: RecipePlan, profile: Profile, run_dir: Path) -> JobPlace:
    place = JobPlace(
        base=str(run_dir / HOME / "experiments"),
        title=plan.title,
        stamp=run_dir.name,
        task=plan.title,
        contained=True,
    )
    return replace(place, inside=_inside(profile, place))


def _inside(profile: Profile, place: JobPlace) -> str:
    """Where its processes find the job's folder: on Kubernetes it is on a volume."""
    user = getpass.getuser()
    if isinstance(profile, KubeflowProfile):
        if profile.workdir_pvc is None:
            raise _without_volume(profile, "workdir_pvc")
        volume = profile.workdir_pvc_path.rstrip("/")
        return f"{volume}/{user}/{place.experiment_id}/{place.task}/code"
    if isinstance(profile, KubeRayProfile):
        if not profile.volume_mounts or not profile.volumes:
            raise _without_volume(profile, "volumes' and 'volume_mounts")
        mount: Any = profile.volume_mounts[0]
        # NeMo-Run names pods by it, too, and here alone spells it as Kubernetes would.
        user = re.sub(r"[^a-z0-9-]", "-", user.lower())
        return f"{mount['mountPath'].rstrip('/')}/{user}/code/{place.experiment_id}/{place.task}"
    return INSIDE


def _without_volume(profile: Profile, keys: str) -> ProfileError:
    return ProfileError(
        f"The profile '{profile.name}' has no '{keys}': the job's code would not reach its pods.",
        where=f"profile {profile.name}",
        hint="Name a volume that the pods mount.",
    )
