"""What the child process that has NeMo-Run is asked for, as a file between the two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from nemo_runspec.execution.profiles.keys import PROFILES, keys_of
from nemo_runspec.execution.profiles.model import LaunchMode, Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """One experiment of NeMo-Run with one job.

    Attributes:
        profile: Where and with what it runs.
        mode: Whether it is attached or detached, which may choose the partition.
        title: The experiment's title.
        id: The experiment's id: the title, an underscore and what tells it from others.
        task: The job's name.
        tunnel_dir: The folder on the target that experiments lie in.
        launch: The path of the launch script, as the job sees it.
        setup: Lines of shell that run before it on the first machine.
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
    content: dict[str, Any] = json.loads(text)
    content["secret_names"] = tuple(content["secret_names"])
    return RenderRequest(**{**content, "profile": _profile(content["profile"])})


def _profile(content: Mapping[str, Any]) -> Profile:
    keys: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in content["keys"].items()
    }
    return PROFILES[content["executor"]](name=content["name"], **keys)
