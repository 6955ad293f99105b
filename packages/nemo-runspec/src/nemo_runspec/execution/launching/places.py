"""Where a process stands in its job: each executor's own names for it.

What is here is bash that sets ``nemotron_node``, ``nemotron_head`` and ``nemotron_port``. Every
variable of ours has that prefix, so that none of the user's is touched.
"""

from __future__ import annotations

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.launching.on_target import program
from nemo_runspec.execution.launching.request import LaunchRequest

_PLACE = "nemotron_head=${nemotron_place% *} nemotron_port=${nemotron_place#* }"
_CLOUDS = {
    "lepton": r"""
nemotron_node="${NODE_RANK:-${LEPTON_JOB_WORKER_INDEX:?}}"
nemotron_head="${MASTER_ADDR:-${LEPTON_JOB_WORKER_PREFIX:?}-0.${LEPTON_SUBDOMAIN:?}}"
nemotron_port="${MASTER_PORT:-29400}"
""",
    "kubeflow": r"""
nemotron_node="${PET_NODE_RANK:?}"
nemotron_head="${PET_MASTER_ADDR:?}"
nemotron_port="${PET_MASTER_PORT:-29500}"
""",
    "dgxcloud": r"""
nemotron_node="${PET_NODE_RANK:-${RANK:?}}"
nemotron_head="${PET_MASTER_ADDR:-${MASTER_ADDR:?}}"
nemotron_port="${PET_MASTER_PORT:-${MASTER_PORT:-23456}}"
""",
    "skypilot": r"""
nemotron_node="${SKYPILOT_NODE_RANK:?}"
nemotron_head="${SKYPILOT_NODE_IPS:?}" && nemotron_head="${nemotron_head%%$'\n'*}"
nemotron_port="$(printf %s "${SKYPILOT_TASK_ID:-}" | cksum)"
nemotron_port=$((20000 + ${nemotron_port%% *} % 10000))
""",
}


def alone() -> str:
    """Place the one process of a job on one machine."""
    return "nemotron_node=0\n" + place_of('alone "$$"')


def on_slurm() -> str:
    """Place a process by Slurm's variables; all processes of the job must come here."""
    meeting = '"${SLURM_JOB_ID:-0}" "$nemotron_meeting" "${SLURM_PROCID:-0}"'
    return "\n".join(
        (
            'nemotron_node="${SLURM_NODEID:-0}"',
            f'nemotron_meeting="{coordination("head")}"',
            place_of(f"meet {meeting}"),
        )
    )


def coordination(name: str) -> str:
    """A path that this start of this job has alone; for double quotes of bash.

    Args:
        name: What lies there.
    """
    again = "${SLURM_RESTART_COUNT:-${LEPTON_JOB_FAILURE_COUNT:-0}}"
    start = f"${{SLURM_JOB_ID:-0}}-${{SLURM_STEP_ID:-0}}-{again}"
    return f"$NEMOTRON_RUN_DIR/.coordination/{name}-{start}"


def place_of(arguments: str) -> str:
    """Set ``nemotron_head`` and ``nemotron_port`` by the program that finds them.

    Args:
        arguments: Its command line, as bash.
    """
    find = f'"$nemotron_python" -I -c {program("meeting")} {arguments}'
    return f'nemotron_place="$({find})" || exit 1\n{_PLACE}'


def on_cloud(request: LaunchRequest) -> str:
    """Place one of several machines by what the cloud says of it.

    Raises:
        ExecutionError: The executor says nothing of it.
    """
    found = _CLOUDS.get(request.executor)
    if found is None:
        raise ExecutionError(
            f"The executor {request.executor!r} cannot start {request.launch!r} on "
            f"{request.nodes} machines.",
            hint='Set launch = "ray" in the runspec, or choose another profile.',
        )
    return found.strip("\n")


def once_a_machine(request: LaunchRequest) -> str:
    """Refuse, on Slurm, to be started several times on a machine."""
    nodes = request.nodes
    return rf"""
if [ "${{SLURM_NTASKS:-{nodes}}}" != {nodes} ]; then
  echo "nemotron: {request.launch} is started once on each machine, and Slurm started" \
    "$SLURM_NTASKS tasks for {nodes} of them: set nodes = {nodes} and ntasks_per_node = 1." >&2
  exit 1
fi
""".strip("\n")
