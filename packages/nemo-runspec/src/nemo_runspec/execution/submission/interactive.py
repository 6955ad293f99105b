"""Put a job where it would run, and say how to start it by hand."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass

from nemo_runspec.execution.shells import ClusterShell, SshShell, open_shell
from nemo_runspec.execution.submission.model import LAUNCH_FILE, STAGING, PreparedSubmission
from nemo_runspec.execution.submission.sending import send_all

_FLAG = re.compile(r"^#SBATCH (--.+)$", re.MULTILINE)
_SRUN = re.compile(r"^srun --output (\S+) (.*)$", re.MULTILINE)
# Of a batch job only: names of log files, what happens when it is queued again.
_BATCH_ONLY = ("output", "error", "open-mode", "requeue", "no-requeue", "array", "signal")
_OF_ITS_STEP = ("--wait=", "--kill-on-bad", "--output=")


@dataclass(frozen=True, slots=True)
class StagedJob:
    """A job that lies where it would run.

    Attributes:
        job_dir: Its run directory there.
        commands: What to type, in order, to start it in an interactive session.
    """

    job_dir: str
    commands: tuple[str, ...]


def stage(prepared: PreparedSubmission, *, shell: ClusterShell | None = None) -> StagedJob:
    """Send a prepared job, and leave it to the user to start it.

    Args:
        prepared: The job.
        shell: A shell of the profile's machine that is open already.

    Returns:
        Where it lies, and the commands. Secrets are not among them, only the names of the
        variables that have to be set.

    Raises:
        TransferError: The machine cannot be reached, or its disk is full.
    """
    if shell is not None:
        return _stage(prepared, shell)
    with open_shell(prepared.profile) as own:
        return _stage(prepared, own)


def _stage(prepared: PreparedSubmission, shell: ClusterShell) -> StagedJob:
    try:
        sent = send_all(prepared, shell)
    except BaseException:
        shutil.rmtree(prepared.folder, ignore_errors=True)
        raise
    shutil.rmtree(prepared.folder / STAGING)
    return StagedJob(prepared.place.job_dir, commands_of(sent, shell))


def commands_of(prepared: PreparedSubmission, shell: ClusterShell) -> tuple[str, ...]:
    """Spell the commands of an interactive session, with NeMo-Run's own options.

    Args:
        prepared: The job.
        shell: A shell of the machine that they are typed on.
    """
    place = prepared.place
    flags = [flag for flag in _FLAG.findall(prepared.script) if not _is_batch_only(flag)]
    inside = _step_options(prepared)
    launch = f"bash {place.seen_code_dir}/{LAUNCH_FILE}"
    commands = [_login(shell)] if isinstance(shell, SshShell) else []
    commands += [f"export {name}=…" for name in prepared.environment.secrets]
    commands.append(f"export NEMO_RUN_DIR={place.job_dir}")
    if _is_single(flags):
        return (*commands, f"srun {' '.join(flags)} --pty {inside} bash", launch)
    return (*commands, f"salloc {' '.join(flags)}", f"srun {inside} {launch}")


def _login(shell: SshShell) -> str:
    target = shell.target
    port = [] if target.port is None else ["-p", str(target.port)]
    identity = [] if target.identity is None else ["-i", str(target.identity)]
    return shlex.join(["ssh", "-t", *port, *identity, shell.where])


def _is_batch_only(flag: str) -> bool:
    return flag.removeprefix("--").partition("=")[0] in _BATCH_ONLY


def _is_single(flags: list[str]) -> bool:
    return "--nodes=1" in flags and "--ntasks-per-node=1" in flags


def _step_options(prepared: PreparedSubmission) -> str:
    """The options of NeMo-Run's srun, without those for its log and for its end."""
    step = _SRUN.search(prepared.script)
    words = shlex.split(step[2]) if step is not None else []
    own = words[: words.index("bash")] if "bash" in words else words
    return shlex.join(word for word in own if not word.startswith(_OF_ITS_STEP))
