from __future__ import annotations

import os
import random
import select
import socket
import sys
from pathlib import Path

import pytest

from nemotron_kit_evaluator import (
    EndpointConfig,
    EvalConfig,
    EvaluatorConfig,
    ServerConfig,
    TaskConfig,
)

TESTS = Path(__file__).parent
DOUBLE = [sys.executable, str(TESTS / "double" / "nemo_evaluator.py")]
# Below those that the system gives to whoever asks for any.
PORTS = range(30000, 32768)
SERVE = [sys.executable, str(TESTS / "standin" / "serve.py")]


@pytest.fixture
def port():
    """A port for the server, which no other test has until this one has ended.

    One that the system names may be named again before the server binds it.
    """
    for found in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket(socket.AF_UNIX) as mark, socket.socket() as probe:
            try:
                mark.bind(f"\0nemotron-tests-port-{found}")
                probe.bind(("127.0.0.1", found))
            except OSError:
                continue
            probe.close()
            yield found
            return


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def alive(tmp_path):
    """A pipe that the server and its worker hold: it ends when both have ended."""
    pipe = tmp_path / "alive"
    os.mkfifo(pipe)
    return pipe


@pytest.fixture
def has_ended(alive):
    """Tells whether everything that held the pipe has ended."""
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(reader, select.POLLHUP)
    yield lambda: bool(poll.poll(20_000))
    os.close(reader)


@pytest.fixture
def evaluation_of(tmp_path, port, model, alive, has_ended):
    """Puts an evaluation together: of tasks, with options of the server."""

    def build(*tasks, options=(), double="", startup_timeout_s=60.0, **changes):
        command = [*SERVE, str(model), f"--port={port}", f"--alive={alive}", *options]
        server = ServerConfig(
            model=str(model), command=command, port=port, startup_timeout_s=startup_timeout_s
        )
        settings = {
            "tasks": [TaskConfig(name=name) for name in tasks],
            "endpoint": EndpointConfig(url=f"http://127.0.0.1:{port}/v1", model_id="tested"),
            "evaluator": EvaluatorConfig(command=DOUBLE, env={"DOUBLE": double}),
            "results_dir": tmp_path / "results",
            "server": server,
            "params": {"limit_samples": 3},
        }
        return EvalConfig(**{**settings, **changes})

    return build
