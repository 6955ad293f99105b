"""Serve a model for as long as an evaluation lasts."""

from __future__ import annotations

import logging
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path

from nemo_runspec.errors import ArtifactNotFoundError, ExecutionError
from nemotron_kit_evaluator.config import ServerConfig
from nemotron_kit_evaluator.processes import Program, running

logger = logging.getLogger(__name__)

_BETWEEN_LOOKS_S = 0.25
_ANSWER_TIMEOUT_S = 5.0


@contextmanager
def serving(config: ServerConfig, log: Path) -> Iterator[Program]:
    """Start the server, wait until it answers, and end it when the block is left.

    Args:
        config: What is started.
        log: The file that gets its output.

    Raises:
        ArtifactNotFoundError: The model's folder is not there.
        ExecutionError: The port is taken, or the server ends or does not answer in time; with
            the last lines of its output.
    """
    require_model(config)
    require_free(config.port)
    logger.info("Starting the server; its output is in %s.", log)
    with running(config.command, log=log, environment=config.env) as server:
        _wait_for(server, config)
        yield server


def require_model(config: ServerConfig) -> None:
    """Refuse a folder that is not there; a name of the Hugging Face Hub is not one.

    Raises:
        ArtifactNotFoundError: It is an absolute path, and nothing is there.
    """
    model = Path(config.model)
    if model.is_absolute() and not model.exists():
        raise ArtifactNotFoundError(
            f"The model's folder {model} does not exist here.",
            where="server.model",
            hint="Mount it with run.env.mounts, or name another model with --art.model NAME:V.",
        )


def require_free(port: int) -> None:
    """Refuse a port that somebody listens on: requests would go to another model.

    Raises:
        ExecutionError: It is taken.
    """
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise ExecutionError(
                f"Port {port} is taken: {error.strerror or error}.",
                where="server.port",
                hint=f"Choose another: server.port={port + 1}",
            ) from error


def ended(server: Program, when: str) -> ExecutionError:
    """Say that the server has ended by itself.

    Args:
        server: The server.
        when: What was going on.
    """
    return ExecutionError(
        f"The server ended {when}, with exit code {server.exit_code}.",
        where=str(server.log),
        hint=f"Its last lines:{server.last_lines()}",
    )


def _wait_for(server: Program, config: ServerConfig) -> None:
    url = f"http://127.0.0.1:{config.port}{config.health}"
    deadline = time.monotonic() + config.startup_timeout_s
    while not _answers(url):
        if server.exit_code is not None:
            raise ended(server, "before it answered")
        if time.monotonic() > deadline:
            raise ExecutionError(
                f"The server did not answer within {config.startup_timeout_s:g} s.",
                where=str(server.log),
                hint=f"Raise server.startup_timeout_s. Its last lines:{server.last_lines()}",
            )
        server.ended_within(_BETWEEN_LOOKS_S)
    logger.info("The server answers at %s.", url)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_TIMEOUT_S) as answer:  # noqa: S310
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False
