"""Where a process stands in its job: each executor's own names for it.

What is here is bash that sets ``node_rank``, ``head`` and ``port``.
"""

from __future__ import annotations

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.launching.request import LaunchRequest

WAIT_S = 1800

_PORT = r"""
# A port below those that the system hands out; two jobs on one host begin at another one.
free_port() {
  "$python" -I -c '
import socket, sys
for step in range(10000):
    port = 20000 + (int(sys.argv[1]) + step) % 10000
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            continue
    print(port)
    break
else:
    sys.exit("nemotron: no port between 20000 and 29999 is free.")
' "$1"
}
""".strip("\n")

_ADDRESS = r"""
# The address that other machines reach this one by: its name's, unless that is a loopback's.
own_address() {
  "$python" -I -c '
import socket, sys
def named():
    try:
        return socket.gethostbyname(sys.argv[1])
    except OSError:
        return ""
def routed():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 9))
            return probe.getsockname()[0]
        except OSError:
            return ""
found = (named(), routed())
print(next((item for item in found if item and not item.startswith("127.")), "127.0.0.1"))
' "${SLURMD_NODENAME:-$HOSTNAME}"
}
""".strip("\n")

_SLURM = rf"""
node_rank="${{SLURM_NODEID:-0}}"
folder="$NEMOTRON_RUN_DIR/.coordination"
meeting="$folder/head-${{SLURM_JOB_ID:-0}}-${{SLURM_STEP_ID:-0}}-${{SLURM_RESTART_COUNT:-0}}"
# The first process says where it can be reached, in a file that all of them see.
meet() {{
  if [ "${{SLURM_PROCID:-0}}" = 0 ]; then
    head="$(own_address)" && port="$(free_port "${{SLURM_JOB_ID:-0}}")" || return
    mkdir -p "$folder" && echo "$head $port" >"$meeting.new" && mv "$meeting.new" "$meeting"
    return
  fi
  local tries=0
  # Listing the folder makes NFS look again.
  until ls "$folder" >/dev/null 2>&1 && [ -s "$meeting" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt {WAIT_S * 5} ]; then
      echo "nemotron: in {WAIT_S} s the first process did not say where it is: $meeting" >&2
      return 1
    fi
    sleep 0.2
  done
  read -r head port <"$meeting"
}}
meet || exit 1
""".strip("\n")

_ALONE = r"""
node_rank=0 head=127.0.0.1
port="$(free_port "$$")" || exit
""".strip("\n")

_CLOUDS = {
    "lepton": r"""
node_rank="${NODE_RANK:-${LEPTON_JOB_WORKER_INDEX:?}}"
head="${MASTER_ADDR:-${LEPTON_JOB_WORKER_PREFIX:?}-0.${LEPTON_SUBDOMAIN:?}}"
port="${MASTER_PORT:-29400}"
""",
    "kubeflow": r"""
node_rank="${PET_NODE_RANK:?}"
head="${PET_MASTER_ADDR:?}"
port="${PET_MASTER_PORT:-29500}"
""",
    "dgxcloud": r"""
node_rank="${PET_NODE_RANK:-${RANK:?}}"
head="${PET_MASTER_ADDR:-${MASTER_ADDR:?}}"
port="${PET_MASTER_PORT:-${MASTER_PORT:-23456}}"
""",
    "skypilot": r"""
node_rank="${SKYPILOT_NODE_RANK:?}"
head="${SKYPILOT_NODE_IPS:?}" && head="${head%%$'\n'*}"
port=$((20000 + $(printf %s "${SKYPILOT_TASK_ID:-}" | cksum | cut -d " " -f 1) % 10000))
""",
}


def alone() -> str:
    """Place the one process of a job on one machine."""
    return f"{_PORT}\n{_ALONE}"


def on_slurm() -> str:
    """Place a process by Slurm's variables; all processes of the job must come here."""
    return f"{helpers()}\n{_SLURM}"


def helpers() -> str:
    """Define ``own_address`` and ``free_port NUMBER``."""
    return f"{_PORT}\n{_ADDRESS}"


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
    return rf"""
if [ "${{SLURM_NTASKS:-{request.nodes}}}" != {request.nodes} ]; then
  echo "nemotron: {request.launch} is started once on each of {request.nodes} machine(s), and" \
    "Slurm started $SLURM_NTASKS tasks: set ntasks_per_node = 1 and nodes = {request.nodes}." >&2
  exit 1
fi
""".strip("\n")
