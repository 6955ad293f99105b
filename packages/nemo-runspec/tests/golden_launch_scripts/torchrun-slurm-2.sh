#!/bin/bash
# Starts this job on one of its machines. Secrets come in the environment.
export NCCL_DEBUG=INFO
export lower='a '"'"'quoted'"'"' $value'
for nemotron_name in HF_TOKEN WANDB_API_KEY; do
  [ -n "${!nemotron_name+set}" ] ||
    echo "nemotron: $nemotron_name did not reach this job." >&2
done
set -e
trap 'echo "nemotron: a startup command ended with exit code $?." >&2' ERR
eval 'source /opt/venv/bin/activate'
trap - ERR
set +e
export NEMOTRON_RUN_DIR=/nemo_run
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  NEMOTRON_RUN_DIR="$NEMOTRON_RUN_DIR/task_$SLURM_ARRAY_TASK_ID"
  mkdir -p "$NEMOTRON_RUN_DIR" || exit
fi
cd /nemo_run/code || exit
nemotron_python=python; command -v python >/dev/null || nemotron_python=python3
if [ "${SLURM_NTASKS:-2}" != 2 ]; then
  echo "nemotron: torchrun is started once on each machine, and Slurm started" \
    "$SLURM_NTASKS tasks for 2 of them: set nodes = 2 and ntasks_per_node = 1." >&2
  exit 1
fi
nemotron_node="${SLURM_NODEID:-0}"
nemotron_meeting="$NEMOTRON_RUN_DIR/.coordination/head-${SLURM_JOB_ID:-0}-${SLURM_STEP_ID:-0}-${SLURM_RESTART_COUNT:-${LEPTON_JOB_FAILURE_COUNT:-0}}"
nemotron_place="$("$nemotron_python" -I -c '"""Print the address and the port that the processes of a job meet at.

``alone SEED`` is for a job of one machine. ``own SEED`` is this machine. ``meet SEED FILE RANK``
is the machine of the process with rank 0, which says it in a file that all processes see.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import time
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the ports that the system hands out.
FIRST_PORT = 20000
PORTS = 10000
TRIES = 1000
WAIT_S = 1800.0
PAUSE_S = 0.2


def free_port(seed: str) -> int:
    """Find a port that nobody listens on; two jobs that look at once look in other places."""
    choice = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(TRIES):
        port = choice.randrange(FIRST_PORT, FIRST_PORT + PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        return port
    sys.exit(f"nemotron: no port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1} is free.")


def own_address() -> str:
    """Find the address that other machines reach this one by: its name, unless that is local."""
    for found in (named(os.environ.get("SLURMD_NODENAME") or socket.gethostname()), routed()):
        if found and not found.startswith("127."):
            return found
    return LOOPBACK


def named(name: str) -> str:
    """Look a name up; empty where nobody knows it."""
    try:
        return socket.gethostbyname(name)
    except OSError:
        return ""


def routed() -> str:
    """Ask which of its addresses this machine would send from; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def meet(file: Path, rank: int, seed: str) -> str:
    """Say where rank 0 is, or learn it."""
    if rank == 0:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.{os.getpid()}")
        part.write_text(f"{own_address()} {free_port(seed)}", encoding="utf-8")
        part.replace(file)
    deadline = time.monotonic() + WAIT_S
    # Listing the folder makes NFS look again.
    while not file.parent.is_dir() or file.name not in os.listdir(file.parent):  # noqa: PTH208
        if time.monotonic() > deadline:
            sys.exit(f"nemotron: in {WAIT_S:g} s rank 0 did not say where it is: {file}")
        time.sleep(PAUSE_S)
    return file.read_text(encoding="utf-8")


def main() -> None:
    """Do what the command line says."""
    how, seed, *rest = sys.argv[1:]
    if how == "meet":
        sys.stdout.write(meet(Path(rest[0]), int(rest[1]), seed))
        return
    address = LOOPBACK if how == "alone" else own_address()
    sys.stdout.write(f"{address} {free_port(seed)}")


if __name__ == "__main__":
    main()
' meet "${SLURM_JOB_ID:-0}" "$nemotron_meeting" "${SLURM_PROCID:-0}")" || exit 1
nemotron_head=${nemotron_place% *} nemotron_port=${nemotron_place#* }
exec "$nemotron_python" -m torch.distributed.run --nnodes 2 --nproc-per-node 8 --node-rank "$nemotron_node" --master-addr "$nemotron_head" --master-port "$nemotron_port" main.py --config config.yaml
