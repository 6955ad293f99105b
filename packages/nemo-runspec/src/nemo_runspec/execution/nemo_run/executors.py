"""NeMo-Run's executors, built from profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nemo_runspec.env_toml import EnvProfile, load_env_toml
from nemo_runspec.execution.environment.building import build_env_vars
from nemo_runspec.execution.nemo_run.builders.clouds import (
    build_dgxcloud,
    build_lepton,
    build_skypilot,
)
from nemo_runspec.execution.nemo_run.builders.here import build_docker, build_local
from nemo_runspec.execution.nemo_run.builders.kubernetes import build_kubeflow, build_kuberay
from nemo_runspec.execution.nemo_run.builders.request import BuildRequest
from nemo_runspec.execution.nemo_run.builders.slurm import build_slurm
from nemo_runspec.execution.nemo_run.library import nemo_run
from nemo_runspec.execution.profiles.changing import changed
from nemo_runspec.execution.profiles.model import LaunchMode, Profile
from nemo_runspec.execution.profiles.reading import load_profile, profile_of


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
    variables = build_env_vars(chosen) if env_vars is None else env_vars
    request = BuildRequest(
        run=nemo_run(wanted="build_executor"),
        profile=chosen,
        variables=variables,
        mode=mode,
        packager=packager,
    )
    return _BUILDERS[chosen.executor](request)


def _profile(profile: str | Profile | Mapping[str, Any]) -> Profile:
    if isinstance(profile, Profile):
        return profile
    if isinstance(profile, str):
        return load_profile(profile)
    if isinstance(profile, EnvProfile):
        return profile_of(profile, name=profile.name, env=load_env_toml(profile.path))
    return profile_of(profile, name="profile")


_BUILDERS: Mapping[str, Callable[[Any], Any]] = {
    "local": build_local,
    "docker": build_docker,
    "slurm": build_slurm,
    "skypilot": build_skypilot,
    "dgxcloud": build_dgxcloud,
    "lepton": build_lepton,
    "kubeflow": build_kubeflow,
    "kuberay": build_kuberay,
}
