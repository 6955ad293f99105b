"""Write the script that starts a job on each of its machines."""

from __future__ import annotations

import shlex

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.environment.names import OWN_NAMES, check_name, check_value
from nemo_runspec.execution.launching.direct import start_direct
from nemo_runspec.execution.launching.ray import start_ray
from nemo_runspec.execution.launching.request import LaunchRequest
from nemo_runspec.execution.launching.torchrun import start_torchrun

_ONE_MACHINE = ("local", "docker")
# What one task of an array leaves, or pins, is none of the others' business.
_OWN_FOLDER = (
    'if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then',
    '  NEMOTRON_RUN_DIR="$NEMOTRON_RUN_DIR/task_$SLURM_ARRAY_TASK_ID"',
    '  mkdir -p "$NEMOTRON_RUN_DIR" || exit',
    "fi",
)
_LAUNCHES = {"direct": start_direct, "torchrun": start_torchrun, "ray": start_ray}


def render_launch_script(request: LaunchRequest) -> str:
    """Write a bash script that starts the job on one of its machines, or one of its processes.

    It exports the variables exactly, runs the startup commands, and starts Python in the working
    directory, so that every process knows its rank. Equal requests give equal scripts. Values
    that are secret are not in it: they come in the environment of the process.

    Args:
        request: How the job is to be started.

    Raises:
        ConfigError: A variable cannot reach a process.
        ExecutionError: The executor cannot start this.
    """
    _check(request)
    lines = [
        "#!/bin/bash",
        "# Starts this job on one of its machines. Secrets come in the environment.",
        *_exports(request),
        *_secrets(request),
        *_startup(request),
        *_place(request),
        _LAUNCHES[request.launch](request),
    ]
    return "\n".join(lines) + "\n"


def _check(request: LaunchRequest) -> None:
    if request.nodes > 1 and request.executor in _ONE_MACHINE:
        raise ExecutionError(
            f"The executor {request.executor!r} has one machine, and the job wants "
            f"{request.nodes}.",
            hint="Set run.env.nodes=1, or choose a profile of a cluster.",
        )
    for name, value in request.variables.items():
        check_name(name, key=f"run.env.env_vars.{name}")
        check_value(value, key=f"run.env.env_vars.{name}")
    for word in (*request.words, request.workdir, request.run_dir):
        check_value(word, key="the command line")


def _exports(request: LaunchRequest) -> list[str]:
    return [
        f"export {name}={shlex.quote(value)}"
        for name, value in sorted(request.variables.items())
        if name not in OWN_NAMES
    ]


def _secrets(request: LaunchRequest) -> list[str]:
    if not request.secret_names:
        return []
    return [
        f"for nemotron_name in {' '.join(sorted(request.secret_names))}; do",
        '  [ -n "${!nemotron_name+set}" ] ||',
        '    echo "nemotron: $nemotron_name did not reach this job." >&2',
        "done",
    ]


def _startup(request: LaunchRequest) -> list[str]:
    if not request.startup_commands:
        return []
    return [
        "set -e",
        "trap 'echo \"nemotron: a startup command ended with exit code $?.\" >&2' ERR",
        *(f"eval {shlex.quote(command)}" for command in request.startup_commands),
        "trap - ERR",
        "set +e",
    ]


def _place(request: LaunchRequest) -> list[str]:
    return [
        f"export NEMOTRON_RUN_DIR={shlex.quote(request.run_dir)}",
        *(_OWN_FOLDER if request.executor == "slurm" else ()),
        f"cd {shlex.quote(request.workdir)} || exit",
        "nemotron_python=python; command -v python >/dev/null || nemotron_python=python3",
    ]
