"""Ray clusters that run before the preparations do, and preparations in processes of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from loopback import free_ports

LAB = Path(__file__).parent / "lab"
STAGES = ("pretrain", "sft", "rl")
_UP_WITHIN_S = 90.0
_TRIES = 20
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
QUIET = {
    LOOPBACK: "0",  # keeps the tests' clusters there
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0" * 64,
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
}


def without_ray(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if not name.startswith("RAY_")}


def until(condition: Callable[[], bool], story: Callable[[], str]) -> None:
    """Wait for something that another process does; without end it tells the story."""
    deadline = time.monotonic() + _UP_WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(story())
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    direct = [
        int(word)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for word in task.read_text().split()
    ]
    return direct + [deeper for child in direct for deeper in children(child)]


def gone(pid: int) -> bool:
    """Whether a process has ended, be it unmourned."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@dataclass
class Cluster:
    """Nodes of a Ray cluster, each a process group of its own."""

    folder: Path
    address: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    kept: ExitStack = field(default_factory=ExitStack)

    def add(self, *options: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """Start a node; the first is the head."""
        ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1"]
        if not self.nodes:
            (port,) = self.kept.enter_context(free_ports(1))
            self.address = f"127.0.0.1:{port}"
            options = (f"--port={port}", "--head", "--include-dashboard=false", *options)
            options = (f"--temp-dir={self.folder}", *options)
        else:
            options = (f"--address={self.address}", *options)
        store = f"--object-store-memory={80 << 20}"
        log = self.folder / f"node-{len(self.nodes)}.log"
        with log.open("wb") as said:
            node = subprocess.Popen(
                [*before, *ray, store, *options],
                env={**without_ray(os.environ), **self.environment},
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.nodes.append(node)
        until(lambda: b"runtime started" in log.read_bytes(), log.read_text)
        return node

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """End a node as a power cut does."""
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            if node.poll() is None:
                self.kill(node)
        self.kept.close()


@dataclass(frozen=True)
class Prepare:
    """Runs ``lab/prepare.py``."""

    blends: Mapping[str, Path]
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, stage: str, folder: Path, **options: object) -> subprocess.Popen[str]:
        """Start a preparation in a process group of its own."""
        words = [f"{key}={value}" for key, value in options.items()]
        return subprocess.Popen(
            [
                *(sys.executable, "-W", "error", LAB / "prepare.py"),
                *(stage, self.blends[stage], folder),
                *words,
            ],
            env={**os.environ, **self.environment},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, stage: str, folder: Path, **options: object) -> str:
        """Run a preparation to its good end; returns what it logged."""
        with self.start(stage, folder, **options) as run:
            _, log = run.communicate(timeout=200)
        assert run.returncode == 0, log
        return log

    def kill_at(self, moment: Callable[[], bool], stage: str, folder: Path) -> None:
        """Leave the folder as a preparation leaves it that is killed at a moment.

        A moment passes, be it while this process has to wait for its turn: then it starts anew.
        """
        for _ in range(_TRIES):
            with self.start(stage, folder, engine="local") as run:
                until(lambda: moment() or run.poll() is not None, lambda: "it never happened")
                run.kill()
                _, log = run.communicate(timeout=200)
            assert run.returncode in {0, -signal.SIGKILL}, log
            if moment():
                return
            shutil.rmtree(folder)
        raise TimeoutError(f"{_TRIES} preparations were over too soon")


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def output(folder: Path) -> dict[str, bytes]:
    """The files of a finished folder, but for receipts: these hold digests of absolute paths."""
    return {
        name: content for name, content in tree(folder).items() if not name.endswith("receipt.json")
    }
