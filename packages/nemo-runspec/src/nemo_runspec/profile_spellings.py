"""The names that one key of a profile may be written under, and how layers agree on one.

Only the standard library is imported here, so that the command line can start quickly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXECUTOR = "executor"
DEFAULT_EXECUTOR = "local"
IMAGE = "container"

_COMMON = {"image": IMAGE, "container_image": IMAGE, "num_nodes": "nodes"}
_GPUS = {"gpus": "gpus_per_node"}
_PODS = {"cpus": "cpu_requests", "mem": "memory_requests"}
_BY_EXECUTOR: Mapping[str, Mapping[str, str]] = {
    "local": _GPUS,
    "docker": {
        **_GPUS,
        "num_gpus": "gpus_per_node",
        "volumes": "mounts",
        "container_mounts": "mounts",
    },
    "slurm": {
        **_GPUS,
        "cpus": "cpus_per_task",
        "container_mounts": "mounts",
        "job_dir": "remote_job_dir",
        "ssh_key": "identity",
    },
    "skypilot": {"mem": "memory"},
    "dgxcloud": {
        **_GPUS,
        "remote_job_dir": "pvc_nemo_run_dir",
        "nprocs_per_node": "ntasks_per_node",
    },
    "lepton": {
        **_GPUS,
        "remote_job_dir": "nemo_run_dir",
        "mounts": "storage_mounts",
        "nprocs_per_node": "ntasks_per_node",
        "pre_launch_commands": "startup_commands",
    },
    "kubeflow": {
        **_GPUS,
        **_PODS,
        "remote_job_dir": "workdir_pvc_path",
        "nprocs_per_node": "ntasks_per_node",
    },
    "kuberay": {**_GPUS, **_PODS},
}


def spellings(executor: Any) -> Mapping[str, str]:
    """Map the other names of keys to the one that ``run.env`` has.

    Args:
        executor: The executor's name, None for the default; of one that is unknown only the
            common keys are mapped.
    """
    name = DEFAULT_EXECUTOR if executor is None else executor
    own = _BY_EXECUTOR.get(name, {}) if isinstance(name, str) else {}
    return {**_COMMON, **own}


def one_spelling(layer: Mapping[str, Any], executor: Any) -> dict[str, Any]:
    """Spell the keys of one layer one way, so that layers override each other.

    Args:
        layer: Keys and values; another name wins over the usual one.
        executor: The executor whose keys they are.
    """
    usual = spellings(executor)
    renamed = {key: value for key, value in layer.items() if key not in usual}
    return {**renamed, **{usual[key]: layer[key] for key in layer if key in usual}}


def without_others(
    below: Mapping[str, Any], above: Mapping[str, Any], executor: Any
) -> dict[str, Any]:
    """Leave out what the layer above writes under another name.

    Args:
        below: The lower layer.
        above: The upper layer.
        executor: The executor whose keys they are.
    """
    usual = spellings(executor)
    written = {usual.get(key, key): key for key in above}
    return {
        key: value
        for key, value in below.items()
        if written.get(usual.get(key, key), key) == key or key in above
    }
