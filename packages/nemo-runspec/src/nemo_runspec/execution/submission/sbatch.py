"""Hand a script to Slurm, with the job's secrets in sbatch's environment and nowhere else."""

from __future__ import annotations

import logging
import re
import shlex

from nemo_runspec.errors import ExecutionError, TransferError
from nemo_runspec.execution.shells import ClusterShell
from nemo_runspec.execution.submission.model import (
    PreparedSubmission,
    launch_mode,
    slurm_profile,
)
from nemo_runspec.execution.submission.refusals import explain_refusal

_logger = logging.getLogger(__name__)

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
    _judge(prepared, shell.where, done.stdout)
    answer = _ANSWER.search(done.stdout)
    if done.code != 0 or answer is None:
        profile = slurm_profile(prepared)
        partition = profile.partition_for(launch_mode(prepared.mode))
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
    plugin = f"srun --help 2>&1 | grep -q -e --container-image || {_tell('plugin', image)}"
    lines = [f"[ -e {shlex.quote(image)} ] || {_tell('image', image)}"]
    sources = [mount.split(":")[0] for mount in prepared.mounts]
    paths = [source for source in sources if source.startswith("/")]
    folders = [f"[ -e {shlex.quote(path)} ] || {_print('mount', path)}" for path in paths]
    return [*folders, *(lines if image.startswith("/") else []), plugin]


def _print(kind: str, path: str) -> str:
    return f"printf '%s\\n' {shlex.quote(f'nemotron-missing: {kind} {path}')}"


def _tell(kind: str, path: str) -> str:
    return f"{{ {_print(kind, path)}; exit 1; }}"


def _judge(prepared: PreparedSubmission, where: str, printed: str) -> None:
    """Refuse what cannot go well; a folder may be there on the cluster's machines alone.

    Raises:
        ExecutionError: There is no such image, or no containers at all.
    """
    for kind, path in _MISSING.findall(printed):
        if kind == "plugin":
            raise ExecutionError(
                f"Slurm on {where} runs no containers: srun there has no --container-image.",
                where=f"profile {prepared.profile.name}",
                hint="Have pyxis installed there, or let the profile have an empty "
                "container_image.",
            )
        if kind == "image":
            raise ExecutionError(
                f"The container image {path} is not on {where}.",
                where=f"profile {prepared.profile.name}",
                hint="Name one that every machine of the cluster sees.",
            )
        _logger.warning(
            "%s, which the job's container mounts, is not on %s. If the cluster's machines do not "
            "have it either, the job fails at its start.",
            path,
            where,
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
