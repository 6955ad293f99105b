"""What the child process that has NeMo-Run is asked for, as a file between the two."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from nemo_runspec.execution.profiles.keys import PROFILES, keys_of
from nemo_runspec.execution.profiles.model import LaunchMode, Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """One job of an experiment of NeMo-Run.

    Attributes:
        profile: Where and with what it runs.
        mode: Whether it is attached or detached, which may choose the partition.
        title: The experiment's title.
        id: The experiment's id: the title, an underscore and what tells it from others.
        task: The job's name in it.
        tunnel_dir: The folder on the target that experiments lie in.
        launch: The path of the launch script, as the job sees it.
        setup: Lines of shell that run before it on the first machine.
        after: The names of those jobs of the experiment that have to end well before.
        secret_names: Variables whose values come in the environment of the process.
    """

    profile: Profile
    mode: LaunchMode
    title: str
    id: str
    task: str
    tunnel_dir: str
    launch: str
    setup: str = ""
    after: tuple[str, ...] = ()
    secret_names: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Write the request as text."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        profile = self.profile
        keys = {name: getattr(profile, name) for name in keys_of(type(profile))}
        content["profile"] = {"executor": profile.executor, "name": profile.name, "keys": keys}
        return json.dumps(content, indent=2, default=dict)


def read_request(text: str) -> RenderRequest:
    """Read a request that :meth:`RenderRequest.to_json` wrote."""
    return _request(json.loads(text))


def as_json(requests: Iterable[RenderRequest]) -> str:
    """Write the jobs of one experiment as text."""
    return f"[{','.join(request.to_json() for request in requests)}]"


def read_requests(text: str) -> tuple[RenderRequest, ...]:
    """Read the jobs of an experiment that :func:`as_json` wrote."""
    return tuple(map(_request, json.loads(text)))


def _request(content: Mapping[str, Any]) -> RenderRequest:
    names = {key: tuple(content[key]) for key in ("after", "secret_names")}
    return RenderRequest(**{**content, **names, "profile": _profile(content["profile"])})


def _profile(content: Mapping[str, Any]) -> Profile:
    keys: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in content["keys"].items()
    }
    return PROFILES[content["executor"]](name=content["name"], **keys)
