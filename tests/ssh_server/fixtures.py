"""Fixtures that give a test a server, and a folder on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nemo_runspec.packaging.code import SshTarget

from .server import HOST, SshServer, running


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def server(shared_server: SshServer) -> Iterator[SshServer]:
    """A server with its own settings again when the test has ended."""
    yield shared_server
    shared_server.restore()


@pytest.fixture
def target(server: SshServer, tmp_path: Path) -> SshTarget:
    """A folder on the server, with a name that nobody would choose."""
    return target_of(server, tmp_path / 'it\'s "the" far $HOME `x` & ünï')


def target_of(server: SshServer, root: Path | str, **settings: object) -> SshTarget:
    defaults: dict[str, object] = {
        "host": HOST,
        "root": str(root),
        "port": server.port,
        "identity": server.key,
        "options": (f"UserKnownHostsFile={server.known_hosts}", "GlobalKnownHostsFile=none"),
    }
    return SshTarget(**(defaults | settings))  # type: ignore[arg-type]
