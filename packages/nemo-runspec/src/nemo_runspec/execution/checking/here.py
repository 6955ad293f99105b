"""What jobs need on this machine."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from nemo_runspec.errors import TransferError
from nemo_runspec.execution.checking.model import Check, failed, passed, unknown
from nemo_runspec.execution.nemo_run.library import INSTALL
from nemo_runspec.execution.profiles.local import LocalProfile
from nemo_runspec.execution.shells import LocalShell

_BROKEN_FROM = (0, 28)
_TIME_LIMIT_S = 20


def check_here(profile: LocalProfile) -> Iterator[Check]:
    """Look at this machine: the GPUs that jobs ask for."""
    yield passed("machine", "Jobs are processes of this machine.")
    if profile.gpus_per_node:
        yield _gpus(profile.gpus_per_node)


def check_nemo_run() -> Check:
    """Look whether NeMo-Run is installed with what it works with; it is not imported."""
    if importlib.util.find_spec("nemo_run") is None:
        return failed("NeMo-Run", "It is not installed.", f"Install it with: {INSTALL}")
    found = _version("leptonai")
    if found is not None and found >= _BROKEN_FROM:
        return failed(
            "NeMo-Run",
            f"It cannot be imported beside leptonai {metadata.version('leptonai')}.",
            f"Install what it works with: {INSTALL}",
        )
    return passed("NeMo-Run", f"Release {metadata.version('nemo-run')} is installed.")


def check_mounts(mounts: Iterable[str]) -> Iterator[Check]:
    """Look whether what is mounted is on this machine."""
    for mount in mounts:
        source = mount.partition(":")[0]
        if source.startswith("/") and not Path(source).exists():
            yield failed("mount", f"{source} is not there.", "Create it, or correct 'mounts'.")


def _gpus(wanted: int) -> Check:
    if shutil.which("nvidia-smi") is None:
        return failed(
            "GPUs",
            f"{wanted} are asked for, and there is no nvidia-smi.",
            "Lower gpus_per_node, or install the driver.",
        )
    try:
        with LocalShell() as shell:
            listed = shell.run("nvidia-smi -L", timeout_s=_TIME_LIMIT_S, check=False)
    except TransferError:
        return unknown("GPUs", "nvidia-smi does not answer.")
    count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    if count < wanted:
        return failed(
            "GPUs", f"{wanted} are asked for, and {count} are there.", "Lower gpus_per_node."
        )
    return passed("GPUs", f"{count} are there.")


def _version(distribution: str) -> tuple[int, ...] | None:
    try:
        text = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
