"""Where the processes of one job leave what the others read."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from nemo_runspec.distributed.rank import Rank
from nemo_runspec.errors import CoordinationError

JOB_VARIABLES = ("SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "RAY_JOB_ID", "TORCHELASTIC_RUN_ID")

# Where jobs have their run directories, below the working directory: NAME/STAMP.
RUNS_FOLDER = Path(".nemotron", "runs")

_RUN_DIR_VARIABLES = ("NEMOTRON_RUN_DIR", "NEMO_RUN_DIR")
_FOLDER = ".coordination"
_STARTED = 19  # of the fields behind the name of the program
_NO_ID = "none"  # what torchrun calls a job that was given no id


def job_folder(environ: Mapping[str, str] | None = None) -> Path | None:
    """The folder that all processes of this job share, and no other job does.

    Args:
        environ: The environment to read; by default the process's own.

    Returns:
        None for a process that has no run directory and belongs to no distributed job, or to
        one that cannot be told from an earlier one.
    """
    variables = os.environ if environ is None else environ
    run_dir = run_directory(variables)
    if run_dir is not None:
        return run_dir / _FOLDER
    if Rank.from_environment(variables).world_size <= 1:
        return None
    try:
        return shared_folder(variables) / digest([variables.get(key, "") for key in JOB_VARIABLES])
    except CoordinationError:
        return None


def shared_folder(environ: Mapping[str, str]) -> Path:
    """The folder for the messages of a job's ranks.

    Raises:
        CoordinationError: Nothing tells this job from an earlier one.
    """
    run_dir = run_directory(environ)
    if run_dir is not None:
        return run_dir / _FOLDER
    local_size = environ.get("LOCAL_WORLD_SIZE")
    if local_size is not None and environ.get("WORLD_SIZE") == local_size:
        return _private_folder()
    if not any(environ.get(key, _NO_ID) != _NO_ID for key in JOB_VARIABLES):
        raise CoordinationError(
            "Nothing tells this job from an earlier one, whose result its ranks could take over.",
            where=", ".join(JOB_VARIABLES),
            hint="Set NEMOTRON_RUN_DIR to a folder of this job that every rank can write to.",
        )
    return Path.cwd() / ".nemotron" / "coordination"


def _private_folder() -> Path:
    """A folder for the ranks of one machine; their launcher tells one job from the next."""
    base = Path(tempfile.gettempdir()) / f"nemotron-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    if base.stat().st_uid != os.getuid():
        raise CoordinationError(
            "The folder for the ranks' messages belongs to another user.",
            where=str(base),
            hint="Set NEMOTRON_RUN_DIR to a folder of your own.",
        )
    return base / digest([str(os.getppid()), start_time(os.getppid())])


def start_time(process_id: int) -> str:
    """When a process of this machine began, in clock ticks since it booted; empty where unknown.

    Args:
        process_id: Its number, which a later process may have again.
    """
    try:
        status = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = status.rpartition(")")[2].split()
    return fields[_STARTED] if fields else ""


def run_directory(environ: Mapping[str, str] | None = None) -> Path | None:
    """The job's run directory; None for a process that was given none.

    Args:
        environ: The environment to read; by default the process's own.
    """
    variables = os.environ if environ is None else environ
    named = next((variables[key] for key in _RUN_DIR_VARIABLES if variables.get(key)), None)
    return None if named is None else Path(named)


def propose_run_directory(base: Path, name: str) -> Path:
    """A path for a new run directory; it is not created.

    Args:
        base: The working directory.
        name: What runs there.
    """
    started = datetime.now(tz=UTC).strftime("%Y%m%dT%H%M%SZ")
    return base / RUNS_FOLDER / name / f"{started}-{secrets.token_hex(3)}"


def digest(parts: Sequence[str]) -> str:
    """A short name for a list of texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
