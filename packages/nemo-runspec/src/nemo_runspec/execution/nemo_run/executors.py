"""NeMo-Run's executors, built from profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.env_toml import EnvProfile, find_env_toml, load_env_toml
from nemo_runspec.errors import ProfileError
from nemo_runspec.execution.nemo_run.library import nemo_run
from nemo_runspec.execution.profiles.changing import changed
from nemo_runspec.execution.profiles.model import LaunchMode, Profile
from nemo_runspec.execution.profiles.reading import load_profile, profile_of
from nemo_runspec.execution.profiles.slurm import SlurmProfile


def build_executor(
    profile: str | Profile | Mapping[str, Any],
    *,
    env_vars: Mapping[str, str] | None = None,
    mode: LaunchMode = "run",
    packager: Any = None,
    **overrides: Any,
) -> Any:
    """Build NeMo-Run's executor of a profile.

    Args:
        profile: A profile's name in env.toml, a profile, or its keys.
        env_vars: The job's environment variables; by default what this machine's W&B and Hugging
            Face logins give, and above them the profile's own.
        mode: Whether the job is attached (``run``) or detached (``batch``): it chooses between
            ``run_partition`` and ``batch_partition``.
        packager: NeMo-Run's packager; by default nothing is sent.
        overrides: Keys of the profile that have another value this time.

    Returns:
        The executor: ``run.SlurmExecutor`` and so on.

    Raises:
        ProfileError: The profile is missing or malformed, or lacks what the executor needs.
        MissingDependencyError: NeMo-Run is not installed.
    """
    chosen = changed(_profile(profile), overrides)
    variables = chosen.env_vars if env_vars is None else env_vars
    run = nemo_run(wanted="build_executor")
    common = {"packager": run.Packager() if packager is None else packager}
    return _BUILDERS[chosen.executor](run, chosen, dict(variables), mode, common)


def _profile(profile: str | Profile | Mapping[str, Any]) -> Profile:
    if isinstance(profile, Profile):
        return profile
    if isinstance(profile, str):
        return load_profile(profile)
    if isinstance(profile, EnvProfile):
        return profile_of(profile, name=profile.name, env=load_env_toml(profile.path))
    return profile_of(profile, name="profile")


def _local(
    run: Any, profile: Any, variables: dict[str, str], _mode: LaunchMode, common: dict[str, Any]
) -> Any:
    return run.LocalExecutor(
        ntasks_per_node=profile.ntasks_per_node or 1,
        env_vars=variables,
        retries=profile.retries,
        **common,
    )


def _slurm(
    run: Any,
    profile: SlurmProfile,
    variables: dict[str, str],
    mode: LaunchMode,
    common: dict[str, Any],
) -> Any:
    if profile.account is None:
        raise _lacking(profile, "account")
    more = dict(profile.additional_parameters)
    for name in ("nodelist", "reservation"):
        if getattr(profile, name) is not None:
            more[name] = getattr(profile, name)
    same = {name: getattr(profile, name) for name in _SLURM_SAME}
    return run.SlurmExecutor(
        **same,
        account=profile.account,
        partition=profile.partition_for(mode),
        ntasks_per_node=profile.ntasks_per_node or 1,
        gpus_per_node=profile.gpus_per_node or None,
        container_image=profile.container_image,
        container_mounts=list(profile.mounts),
        container_env=list(profile.container_env) or None,
        srun_args=list(profile.srun_args) or None,
        additional_parameters=more or None,
        setup_lines="\n".join(profile.startup_commands) or None,
        tunnel=_tunnel(run, profile),
        env_vars=variables,
        **common,
    )


_SLURM_SAME = (
    *("time", "nodes", "cpus_per_task", "cpus_per_gpu", "gpus_per_task", "qos", "mem"),
    *("mem_per_gpu", "mem_per_cpu", "comment", "constraint", "exclude", "gres", "signal"),
    *("exclusive", "array", "open_mode", "segment", "network", "job_name_prefix"),
    *("memory_measure", "ray_template", "dependency_type", "retries"),
)


def _tunnel(run: Any, profile: SlurmProfile) -> Any:
    if not profile.over_ssh:
        # A job_dir of its own is one that LocalTunnel cannot work with.
        return run.LocalTunnel(job_dir="")
    for name in ("host", "remote_job_dir"):
        if getattr(profile, name) is None:
            raise _lacking(profile, name)
    identity = None if profile.identity is None else str(Path(profile.identity).expanduser())
    return run.SSHTunnel(
        host=profile.host,
        user=profile.user,
        job_dir=profile.remote_job_dir,
        port=profile.port,
        identity=identity,
    )


def _lacking(profile: Profile, name: str) -> ProfileError:
    file = find_env_toml()
    return ProfileError(
        f"The profile '{profile.name}' has no '{name}', which {profile.executor} needs.",
        where=None if file is None else str(file),
        hint=f"Write {name} = … under [{profile.name}].",
    )


_BUILDERS: Mapping[str, Callable[..., Any]] = {"local": _local, "slurm": _slurm}
