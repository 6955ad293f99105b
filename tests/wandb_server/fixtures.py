"""Fixtures that give a test a server, and a client that never heard of any other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .server import KEY, WandbServer, running

if TYPE_CHECKING:
    from wandb import Artifact

_FOLDERS = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR")
_PATIENCE = {
    # The client waits two seconds and more before it tries again; it knows whole seconds only.
    f"WANDB__{part}_RETRY_WAIT_{end}_SECONDS": seconds
    for part in ("GRAPHQL", "FILE_STREAM", "FILE_TRANSFER")
    for end, seconds in (("MIN", "1"), ("MAX", "1"))
}


@pytest.fixture
def own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, caches and an environment in which nobody ever heard of W&B."""
    for name in [name for name in os.environ if name.startswith(("WANDB_", "NEMOTRON_"))]:
        monkeypatch.delenv(name)
    for name in ("NETRC", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in _FOLDERS:
        folder = tmp_path / name.lower()
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    settings = {
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        "WANDB_FINISH_TIMEOUT": "60",  # a client would wait for ever for a server that is down
        **_PATIENCE,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server(own_world: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    """A server, whose address and whose user's key are in the environment.

    The user is ada, in the teams team and research; her runs go to team where they name none.
    """
    with running() as server:
        server.state.add_user("ada", KEY, "team", "research")
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield server
        server.faults.heal()
        server.up()  # a client that still retries would otherwise not come to its end
        end_deliveries(own_world)
        end_client()
    assert not server.unexpected, "\n".join(server.unexpected)


def end_client() -> None:
    """Let this process forget the server: its settings would outlive the test's environment."""
    wandb = sys.modules.get("wandb")
    if wandb is not None:
        wandb.finish()
        wandb.teardown()


def end_deliveries(world: Path) -> None:
    """Leave nothing that a later test's run would be given: records without a run wait for any."""
    ours = sys.modules.get("nemotron_kit_wandb.outbox")
    # A process that no job gave a folder keeps its first one, which lies in an earlier world.
    worlds = [world] if ours is None else [world, ours.own_outbox().run_dir]
    for records in (found for place in worlds for found in place.rglob("wandb-outbox/records")):
        shutil.rmtree(records, ignore_errors=True)
    join_left_behind()


def join_left_behind(timeout_s: float = 60) -> None:
    """Wait for calls that nobody waits for any more: they would go on in the next test."""
    for thread in threading.enumerate():
        if thread.name == "nemotron-wandb":
            thread.join(timeout_s)


def add_text(artifact: Artifact, name: str, text: str) -> None:
    """Add a small file to an artifact; the client's own way leaves a folder to the collector."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "content"
        file.write_text(text, encoding="utf-8")
        artifact.add_file(str(file), name=name, skip_cache=True)


def in_own_process(
    script: str, *, timeout_s: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, as a job runs.

    Args:
        script: Python code. What it prints is in `stdout`; what W&B says in `stderr`.
        timeout_s: When it is ended.
        environment: Variables beside those of this process.
    """
    return subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout_s,
        env={**os.environ, **environment},
    )


def sync(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `wandb sync` on the folder of an offline run."""
    return subprocess.run(
        [sys.executable, "-m", "wandb", "sync", str(folder)],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
