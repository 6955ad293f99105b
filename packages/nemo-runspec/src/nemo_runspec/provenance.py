"""Where a run comes from: the code's commit, the versions of what runs it, the job's ids."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = (
    "nemo-runspec",
    "nemotron",
    "nemotron-data-prep",
    "nemotron-kit-megatron",
    "nemotron-kit-nemorl",
    "nemotron-kit-wandb",
    "megatron-bridge",
    "megatron-core",
    "nemo-rl",
    "omegaconf",
    "pyarrow",
    "tokenizers",
    "torch",
    "transformers",
)

_JOB_ID_VARIABLES = {
    "slurm": "SLURM_JOB_ID",
    "slurm_array": "SLURM_ARRAY_JOB_ID",
    "slurm_restart_count": "SLURM_RESTART_COUNT",
    "ray": "RAY_JOB_ID",
    "skypilot": "SKYPILOT_TASK_ID",
    "torchelastic": "TORCHELASTIC_RUN_ID",
    "lepton": "LEPTON_JOB_NAME",
    "kubernetes": "KUBERNETES_JOB_NAME",
}

_PRODUCER_KINDS = ("slurm", "ray", "skypilot", "lepton", "kubernetes")


def collect_provenance(folder: Path) -> dict[str, Any]:
    """Describe the code and the software that a run is made with.

    Args:
        folder: A folder inside the checkout whose commit is wanted. Outside a checkout, or
            without git, the commit is None.

    Returns:
        ``git_commit``, ``git_dirty`` and ``packages`` (name to installed version).
    """
    commit = _git(folder, "rev-parse", "HEAD")
    changes = None if commit is None else _git(folder, "status", "--porcelain")
    return {
        "git_commit": commit,
        "git_dirty": None if changes is None else bool(changes),
        "packages": {"python": platform.python_version(), **_installed_packages()},
    }


def collect_host(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Name the machine and the scheduler's ids of the job that this process belongs to.

    Args:
        environ: The environment to read; by default the process's own.
    """
    variables = os.environ if environ is None else environ
    job_ids = {
        kind: variables[variable]
        for kind, variable in _JOB_ID_VARIABLES.items()
        if variables.get(variable)
    }
    return {"host": socket.gethostname(), "job_ids": job_ids}


def producer_id(environ: Mapping[str, str] | None = None) -> str | None:
    """Name what made an artifact: the scheduler's job id, else the id of the run directory.

    Args:
        environ: The environment to read; by default the process's own.
    """
    variables = os.environ if environ is None else environ
    for kind in _PRODUCER_KINDS:
        job_id = variables.get(_JOB_ID_VARIABLES[kind])
        if job_id:
            return f"{kind}-{job_id}"
    run_dir = variables.get("NEMOTRON_RUN_DIR") or variables.get("NEMO_RUN_DIR")
    return Path(run_dir).name if run_dir else None


def _installed_packages() -> dict[str, str]:
    versions: dict[str, str] = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed program, arguments are ours
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - git is found as users find it
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
