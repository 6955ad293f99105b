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
  echo "nemotron: ray is started once on each machine, and Slurm started" \
    "$SLURM_NTASKS tasks for 2 of them: set nodes = 2 and ntasks_per_node = 1." >&2
  exit 1
fi
nemotron_node="${SLURM_NODEID:-0}"
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
' own "${SLURM_JOB_ID:-$$}")" || exit 1
nemotron_head=${nemotron_place% *} nemotron_port=${nemotron_place#* }
exec "$nemotron_python" -I -c '"""Run a driver on a Ray cluster of its own, over the machines of one job.

One of these runs on each machine. The first one starts the head, says where it is, and runs the
driver once all machines are there; the others join, and stay until the driver has ended. They
speak through files in a folder that all of them see. A failure anywhere ends all of it; the
exit code is that of the driver.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

JOIN_S = 1800.0
LEAVE_S = 30.0
STOP_S = 15.0
PAUSE_S = 0.2
LONGEST_BASE = 20
TAIL = 15
SIGNALLED = 128
# What the scheduler tells this program of its own place; a process of Ray has another one.
PLACE = (
    *("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_LOCALID", "SLURM_NODEID"),
    *("SLURM_NTASKS_PER_NODE", "SLURM_TASKS_PER_NODE", "SLURM_STEP_TASKS_PER_NODE"),
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK"),
)
COUNT = """
import sys, time, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
while sum(bool(node["Alive"]) for node in ray.nodes()) < int(sys.argv[2]):
    time.sleep(0.2)
"""


class FailedError(Exception):
    """The cluster cannot be, or cannot stay."""


class Meeting:
    """The messages of the machines: small files in a folder that all of them see.

    Args:
        folder: The folder; it belongs to this start of this job.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def log(self, rank: int) -> Path:
        """Where Ray of one machine says what it does."""
        return self._folder / f"ray-{rank}.log"

    def say(self, name: str, text: str) -> None:
        """Leave a message; whoever reads it sees all of it or nothing."""
        part = self._folder / f".{name}.{os.getpid()}"
        part.touch(mode=0o600)
        part.write_text(text, encoding="utf-8")
        part.replace(self._folder / name)

    def hear(self, name: str) -> str | None:
        """Read a message; None where nobody left it."""
        # Listing the folder makes NFS look again.
        if name not in os.listdir(self._folder):  # noqa: PTH208
            return None
        return (self._folder / name).read_text(encoding="utf-8")

    def named(self, prefix: str) -> list[str]:
        """Read all messages whose names begin alike."""
        names = sorted(name for name in os.listdir(self._folder) if name.startswith(prefix))  # noqa: PTH208
        return [(self._folder / name).read_text(encoding="utf-8") for name in names]

    def forget(self, name: str) -> None:
        """Remove a message."""
        (self._folder / name).unlink(missing_ok=True)


class Node:
    """Ray on this machine.

    Args:
        options: What ``ray start`` is told.
        log: Where it says what it does.
    """

    def __init__(self, options: Sequence[str], log: Path) -> None:
        self._log = log
        more = shlex.split(os.environ.get("NEMOTRON_RAY_OPTIONS", ""))
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - a list, no shell
                [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *options, *more],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise where it has ended."""
        if self._process.poll() is not None:
            raise FailedError(f"Ray ended on {socket.gethostname()}:\n{self._tail()}")

    def stop(self) -> None:
        """End it and what it started."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL:])


def run_head(options: argparse.Namespace, meeting: Meeting, temporary: Path) -> int:
    """Start the head and the driver, and return the exit code of the driver."""
    code = 1
    address = f"{options.address}:{options.port}"
    protect(meeting)
    place = ["--head", f"--port={options.port}", f"--temp-dir={temporary}"]
    node = Node([*place, "--include-dashboard=false", *shared(options)], meeting.log(0))
    try:
        until_listening(options.address, options.port, node)
        meeting.say("head", address)
        until_complete(address, options.nodes, node, meeting)
        code = drive(options.driver, address, node, meeting)
    finally:
        try:
            meeting.say("end", str(code))
        finally:
            node.stop()
        until_left(meeting, options.nodes - 1)
        meeting.forget("token")
    return code


def run_worker(options: argparse.Namespace, meeting: Meeting) -> int:
    """Join the cluster, and leave it when the driver has ended."""
    deadline = time.monotonic() + JOIN_S
    while True:
        if meeting.hear("end") is not None:
            return 0
        head = meeting.hear("head")
        if head is not None:
            break
        if time.monotonic() > deadline:
            raise FailedError(f"The head did not say in {JOIN_S:g} s where it is.")
        time.sleep(PAUSE_S)
    protect(meeting)
    node = Node([f"--address={head}", *shared(options)], meeting.log(options.rank))
    try:
        while meeting.hear("end") is None:
            node.check()
            time.sleep(PAUSE_S)
    finally:
        node.stop()
    return 0


def protect(meeting: Meeting) -> None:
    """Let nobody else in, where this Ray can tell: all machines share a token of this cluster."""
    if "RAY_AUTH_MODE" in os.environ:
        return
    token = meeting.hear("token")
    if token is None:
        token = secrets.token_hex(32)
        meeting.say("token", token)
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token)


def shared(options: argparse.Namespace) -> list[str]:
    """What each machine tells Ray; no fixed port, so that clusters can share a machine."""
    cpus = os.environ.get("SLURM_CPUS_ON_NODE")
    return [
        f"--node-ip-address={options.address}",
        "--min-worker-port=0",
        "--max-worker-port=0",
        "--dashboard-agent-listen-port=0",
        "--disable-usage-stats",
        *([f"--num-cpus={cpus}"] if cpus else []),
        *([] if options.gpus is None else [f"--num-gpus={options.gpus}"]),
    ]


def until_listening(address: str, port: int, node: Node) -> None:
    """Wait until the head takes connections."""
    while True:
        node.check()
        with suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        time.sleep(PAUSE_S)


def until_complete(address: str, nodes: int, node: Node, meeting: Meeting) -> None:
    """Wait until all machines have joined."""
    counting = subprocess.Popen([sys.executable, "-c", COUNT, address, str(nodes)])  # noqa: S603
    deadline = time.monotonic() + JOIN_S
    try:
        while counting.poll() is None:
            check(node, meeting)
            if time.monotonic() > deadline:
                raise FailedError(f"In {JOIN_S:g} s not all of {nodes} machines joined.")
            time.sleep(PAUSE_S)
    finally:
        end(counting)
    if counting.returncode != 0:
        raise FailedError("The cluster does not answer.")


def drive(words: Sequence[str], address: str, node: Node, meeting: Meeting) -> int:
    """Run the driver."""
    driver = subprocess.Popen(  # noqa: S603 - the recipe, as a list
        [sys.executable, *words], env={**os.environ, "RAY_ADDRESS": address}
    )
    try:
        while driver.poll() is None:
            check(node, meeting)
            time.sleep(PAUSE_S)
    finally:
        end(driver)
    return driver.returncode if driver.returncode >= 0 else SIGNALLED - driver.returncode


def check(node: Node, meeting: Meeting) -> None:
    """Raise where a machine has failed."""
    failures = meeting.named("failed-")
    if failures:
        raise FailedError(failures[0])
    node.check()


def until_left(meeting: Meeting, workers: int) -> None:
    """Let the others go first: Slurm kills who is left when a task fails."""
    deadline = time.monotonic() + LEAVE_S
    while len(meeting.named("left-")) < workers and time.monotonic() < deadline:
        time.sleep(PAUSE_S)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, gently at first."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder of this machine for the files of Ray; its path is short, since sockets lie in it."""
    base = tempfile.gettempdir()
    if len(base) > LONGEST_BASE:
        base = "/tmp"  # noqa: S108 - mkdtemp makes a folder of our own in it
    folder = Path(tempfile.mkdtemp(prefix="nrj-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stopped(number: int, _frame: FrameType | None) -> None:
    """End on a signal as on any failure."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(SIGNALLED + number)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--gpus", type=int)
    parser.add_argument("driver", nargs="+")
    return parser.parse_args()


def main() -> int:
    """Do the part of this machine."""
    options = read_options()
    for name in PLACE:
        os.environ.pop(name, None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stopped)
    meeting = Meeting(options.folder)
    try:
        if options.rank == 0:
            with short_folder() as temporary:
                return run_head(options, meeting, temporary)
        return run_worker(options, meeting)
    except (FailedError, OSError) as error:
        sys.stderr.write(f"nemotron: {error}\n")
        if options.rank != 0:
            meeting.say(f"failed-{options.rank}", str(error))
        return 1
    except SystemExit as error:
        # Slurm ends who is left when the driver has: that is no failure of this machine.
        if options.rank != 0 and meeting.hear("end") is not None:
            return 0
        return int(str(error.code))
    finally:
        if options.rank != 0:
            meeting.say(f"left-{options.rank}", "")


if __name__ == "__main__":
    sys.exit(main())
' \
  --folder "$NEMOTRON_RUN_DIR/.coordination/ray-${SLURM_JOB_ID:-0}-${SLURM_STEP_ID:-0}-${SLURM_RESTART_COUNT:-${LEPTON_JOB_FAILURE_COUNT:-0}}" --rank "$nemotron_node" --nodes 2 \
  --address "$nemotron_head" --port "$nemotron_port" -- main.py --config config.yaml
