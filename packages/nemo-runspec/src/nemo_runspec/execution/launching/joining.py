"""What a driver needs that joins a Ray cluster from this machine, without a launch script."""

from __future__ import annotations

from collections.abc import Mapping

from nemo_runspec.errors import ConfigError, ExecutionError
from nemo_runspec.execution.launching.on_target.ray_variables import (
    CONFIG,
    RUNTIME_ENV,
    LostError,
    job_config,
    runtime_env,
)

OVERRIDE = "RAY_OVERRIDE_JOB_RUNTIME_ENV"


def join_cluster(
    address: str, variables: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """Say where the cluster is, and give its workers the job's variables.

    Args:
        address: ``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``.
        variables: The variables of the job.
        environ: The environment that the driver begins with.

    Raises:
        ExecutionError: The address is none that a driver connects to.
        ConfigError: Ray would change a value.
    """
    joined = {"RAY_ADDRESS": checked_address(address)}
    if not variables:
        return joined
    try:
        if is_client(address):
            return {**joined, RUNTIME_ENV: runtime_env(variables, environ)}
        return {**joined, CONFIG: job_config(variables, environ), OVERRIDE: "1"}
    except LostError as error:
        raise ConfigError(str(error), where="run.env.env_vars") from error


def is_client(address: str) -> bool:
    """Tell whether a driver stays outside the cluster."""
    return address.startswith("ray://")


def checked_address(address: str) -> str:
    """Check the address of a cluster.

    Raises:
        ExecutionError: It is none that a driver connects to.
    """
    scheme, separator, _ = address.partition("://")
    if separator and scheme != "ray":
        raise ExecutionError(
            f"{address!r} is no address that a driver of Ray connects to.",
            where="run.env.ray_address",
            hint="Name the head: HOST:PORT (usually 6379), or ray://HOST:10001.",
        )
    return address
