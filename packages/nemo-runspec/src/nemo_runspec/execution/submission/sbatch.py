"""Hand a script to Slurm, with the job's secrets in sbatch's environment and nowhere else."""

from __future__ import annotations

import re
import shlex

from nemo_runspec.errors import ExecutionError, TransferError
from nemo_runspec.execution.shells import ClusterShell
from nemo_runspec.execution.submission.model import INSIDE, PreparedSubmission, slurm_profile
from nemo_runspec.execution.submission.refusals import explain_refusal

ID_FILE = "scheduler_id"
_SUBMIT_S = 120.0
_ANSWER = re.compile(r"^(\d+)(?:;.*)?$", re.MULTILINE)
_MISSING = re.compile(r"^nemotron-missing: (\w+) (.*)$", re.MULTILINE)


def hand_over(prepared: PreparedSubmission, shell: ClusterShell) -> str:
    """Submit the script that was sent.

    Args:
        prepared: The job.
        shell: A shell of the machine that has sbatch.

    Returns:
        The job's number.

    Raises:
        ExecutionError: Slurm refuses the job, or an image or a mount is not there.
        TransferError: The connection was lost, and whether the job was taken is not known.
    """
    try:
        done = shell.run(
            _script(prepared),
            environment=prepared.environment.secrets,
            timeout_s=_SUBMIT_S,
            check=False,
        )
    except TransferError as error:
        return _found_after(error, prepared, shell)
    missing = _MISSING.search(done.stdout)
    if missing is not None:
        raise _absent(prepared, shell.where, missing[1], missing[2])
    answer = _ANSWER.search(done.stdout)
    if done.code != 0 or answer is None:
        profile, mode = (
            slurm_profile(prepared),
            "run" if prepared.mode == "stage" else prepared.mode,
        )
        partition = profile.partition_for(mode)
        raise explain_refusal(profile, partition, shell.where, done.stderr or done.stdout)
    return answer[1]


def cancel(scheduler_id: str, shell: ClusterShell) -> None:
    """Take a job back."""
    shell.run(f"scancel {shlex.quote(scheduler_id)}", check=False)


def _script(prepared: PreparedSubmission) -> str:
    place = prepared.place
    id_file = shlex.quote(f"{place.job_dir}/{ID_FILE}")
    return "\n".join(
        (
            f"cd {shlex.quote(place.experiment_dir)} || exit",
            *_checks(prepared),
            f"id=$({_sbatch(prepared)}) || exit",
            f'printf "%s\\n" "$id" >{id_file}',
            'printf "%s\\n" "$id"',
        )
    )


def _checks(prepared: PreparedSubmission) -> list[str]:
    """Ask for what the job would only miss on its machines, minutes or hours later."""
    image = prepared.image
    if image is None:
        return []
    sources = [mount.split(":")[0] for mount in prepared.mounts]
    paths = [("image", image), *(("mount", source) for source in sources)]
    lines = [
        f"[ -e {shlex.quote(path)} ] || {_tell(kind, path)}"
        for kind, path in paths
        if path.startswith("/") and not path.startswith(INSIDE)
    ]
    plugin = "srun --help 2>&1 | grep -q -e --container-image"
    return [*lines, f"{plugin} || {_tell('plugin', image)}"]


def _tell(kind: str, path: str) -> str:
    return f"{{ printf '%s\\n' {shlex.quote(f'nemotron-missing: {kind} {path}')}; exit 1; }}"


def _absent(prepared: PreparedSubmission, where: str, kind: str, path: str) -> ExecutionError:
    profile = f"profile {prepared.profile.name}"
    if kind == "plugin":
        return ExecutionError(
            f"Slurm on {where} runs no containers: srun there has no --container-image.",
            where=profile,
            hint="Have pyxis installed there, or let the profile have an empty container_image.",
        )
    name = "container image" if kind == "image" else "folder to mount"
    return ExecutionError(
        f"The {name} {path} is not on {where}.",
        where=profile,
        hint="Name one that every machine of the cluster sees.",
    )


def _found_after(error: TransferError, prepared: PreparedSubmission, shell: ClusterShell) -> str:
    """Look whether Slurm took a job before the connection was lost; one look is all."""
    id_file = shlex.quote(f"{prepared.place.job_dir}/{ID_FILE}")
    try:
        known = shell.run(f"cat {id_file}", check=False).stdout.strip()
    except TransferError:
        raise error from None
    if not known:
        raise error
    return known.partition(";")[0]


def _sbatch(prepared: PreparedSubmission) -> str:
    profile = slurm_profile(prepared)
    words = ["sbatch", "--parsable", "--export=ALL"]
    if prepared.after:
        words.append(f"--dependency={profile.dependency_type}:{':'.join(prepared.after)}")
        # Else it would wait for ever for what cannot happen any more.
        words.append("--kill-on-invalid-dep=yes")
    return shlex.join([*words, prepared.place.script])
