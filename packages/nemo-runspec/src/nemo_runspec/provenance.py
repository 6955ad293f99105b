"""Where a run comes from: the code's commit, the versions of what runs it, the job's ids."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from nemo_runspec.json_values import json_value
from nemo_runspec.packaged import packaged_provenance
from nemo_runspec.redaction import redact_values
from nemo_runspec.runspec.running import running_recipe, running_script

_PACKAGES = (
    "nemo-runspec",
    "nemotron",
    "nemotron-data-prep",
    "nemotron-kit-evaluator",
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

_SCALARS = (str, int, float, bool, type(None))
_NO_SETTINGS = frozenset({"provenance", "aliases"})
_ARTIFACTS = "artifacts"


def collect_provenance(folder: Path) -> dict[str, Any]:
    """Describe the code and the software that a run is made with.

    Args:
        folder: A folder inside the checkout whose commit is wanted. Outside a checkout, in a
            folder that the checkout ignores (an environment, a job's directory) or without
            git, the commit is None.

    Returns:
        ``git_commit``, ``git_dirty`` and ``packages`` (name to installed version).
    """
    ignored = _git(folder, "check-ignore", "--quiet", ".") is not None
    commit = None if ignored else _git(folder, "rev-parse", "HEAD")
    changes = None if commit is None else _git(folder, "status", "--porcelain")
    return {
        "git_commit": commit,
        "git_dirty": None if changes is None else bool(changes),
        **collect_software(),
    }


def collect_script() -> dict[str, Any]:
    """Describe the code of the script that this process runs, recipe or not.

    The commit is that of the script's own folder, not of the working directory: a checkout that
    someone merely stands in says nothing about the code. Typed-in code has only the latter.

    Returns:
        What :func:`collect_provenance` gives; for a recipe its ``runspec`` name and ``image`` too.
        A packaged recipe has them from where it was packaged.
    """
    packaged = packaged_provenance()
    if packaged is not None:
        return {**packaged, **collect_software()}
    script = running_script()
    if script is None:
        return collect_provenance(Path.cwd())
    found = collect_provenance(script.parent)
    recipe = running_recipe()
    return found if recipe is None else {"runspec": recipe.name, "image": recipe.image, **found}


def config_digest(values: Mapping[Any, Any]) -> str:
    """Digest a configuration: equal for equal content, whatever the order of its keys.

    Args:
        values: A configuration as plain values, interpolations as text; ``run.provenance``,
            ``run.aliases`` and secrets do not count.

    Returns:
        ``sha256:`` and 64 hexadecimal digits.
    """
    content = _sorted(_without_own_record(redact_values(dict(values))))
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def config_values(values: Mapping[Any, Any]) -> dict[str, Any]:
    """What a configuration set, for the record: without secrets, backends and its own record.

    Args:
        values: A configuration as plain values, interpolations as text.
    """
    content = _without_own_record(redact_values(dict(values)))
    return {str(key): _plain(value) for key, value in content.items() if key != _ARTIFACTS}


def collect_software() -> dict[str, Any]:
    """Name the versions of what this process runs with, under ``packages``."""
    return {"packages": {"python": platform.python_version(), **_installed_packages()}}


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


def _without_own_record(content: dict[Any, Any]) -> dict[Any, Any]:
    run = content.get("run")
    if not isinstance(run, dict):
        return content
    return {**content, "run": {key: run[key] for key in run if key not in _NO_SETTINGS}}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return json_value(value) if isinstance(value, _SCALARS) else str(value)


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
