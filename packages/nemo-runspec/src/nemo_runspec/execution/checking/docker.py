"""What jobs need of this machine's Docker engine, asked over its own API."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from nemo_runspec.execution.checking.here import check_mounts
from nemo_runspec.execution.checking.model import Check, failed, passed, unknown, warned
from nemo_runspec.execution.profiles.local import DockerProfile

_VARIABLE = "DOCKER_HOST"
_USUAL = "unix:///var/run/docker.sock"
_TIME_LIMIT_S = 10
_NVIDIA = "nvidia"


def check_docker(profile: DockerProfile) -> Iterator[Check]:
    """Look at the engine, the image, the GPUs and what is mounted."""
    address = os.environ.get(_VARIABLE) or _USUAL
    try:
        _, information = _ask(address, "/info")
    except NotImplementedError:
        yield unknown("engine", f"{address} is asked by Docker's own client only.")
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        yield failed(
            "engine",
            f"It does not answer at {address}: {reason}.",
            f"Start Docker, join the group that may use it, or set {_VARIABLE}.",
        )
        return
    else:
        yield passed("engine", f"Release {information.get('ServerVersion', '?')} answers.")
        yield from _image(address, profile)
        yield from _gpus(information, profile)
    yield from check_mounts(profile.mounts)


def _image(address: str, profile: DockerProfile) -> Iterator[Check]:
    image = profile.container_image
    if image is None:
        yield unknown("image", "The profile names none; the recipe's is used.")
        return
    code, _ = _ask(address, f"/images/{quote(image, safe='/:@')}/json")
    if code == http.HTTPStatus.OK:
        yield passed("image", f"{image} is there.")
        return
    yield warned(
        "image",
        f"{image} is not on this machine; it is pulled when a job starts.",
        f"Pull it before: docker pull {image}",
    )


def _gpus(information: dict[str, Any], profile: DockerProfile) -> Iterator[Check]:
    if not profile.gpus_per_node and profile.runtime != _NVIDIA:
        return
    if _NVIDIA in information.get("Runtimes", {}):
        yield passed("GPUs", "The engine has NVIDIA's runtime.")
        return
    yield failed(
        "GPUs",
        "The engine has no NVIDIA runtime.",
        "Install the NVIDIA Container Toolkit, and restart Docker.",
    )


def _ask(address: str, path: str) -> tuple[int, dict[str, Any]]:
    parts = urlsplit(address)
    if parts.scheme == "unix":
        connection: http.client.HTTPConnection = _UnixConnection(parts.path)
    elif parts.scheme in ("tcp", "http") and parts.hostname:
        connection = http.client.HTTPConnection(
            parts.hostname, parts.port or 2375, timeout=_TIME_LIMIT_S
        )
    else:
        raise NotImplementedError
    try:
        connection.request("GET", path, headers={"Host": "docker"})
        response = connection.getresponse()
        content = json.loads(response.read() or b"{}")
    finally:
        connection.close()
    return response.status, content if isinstance(content, dict) else {}


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=_TIME_LIMIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
