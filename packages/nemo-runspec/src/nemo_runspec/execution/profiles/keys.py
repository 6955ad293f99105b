"""The keys that each executor's profiles have, read off the models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_type_hints

from nemo_runspec.execution.profiles.clouds import (
    DgxCloudProfile,
    LeptonProfile,
    SkypilotProfile,
)
from nemo_runspec.execution.profiles.kubernetes import KubeflowProfile, KubeRayProfile
from nemo_runspec.execution.profiles.local import DockerProfile, LocalProfile
from nemo_runspec.execution.profiles.model import Profile
from nemo_runspec.execution.profiles.slurm import SlurmProfile
from nemo_runspec.execution.profiles.values import WrongValueError, fitted
from nemo_runspec.profile_spellings import IMAGE, spellings

PROFILES: Mapping[str, type[Profile]] = {
    cls.executor: cls
    for cls in (
        LocalProfile,
        DockerProfile,
        SlurmProfile,
        SkypilotProfile,
        DgxCloudProfile,
        LeptonProfile,
        KubeflowProfile,
        KubeRayProfile,
    )
}
_ATTRIBUTES = {IMAGE: "container_image"}


@dataclass(frozen=True, slots=True)
class ProfileKey:
    """One key that a profile may have.

    Attributes:
        name: The key, which is also the attribute of the model.
        spelled: Other names that it may be written under.
        annotation: The type of its value.
        default: What holds where it is not written.
        says: What it is for.
    """

    name: str
    spelled: tuple[str, ...]
    annotation: Any
    default: Any
    says: str


def keys_of(model: type[Profile]) -> dict[str, ProfileKey]:
    """List the keys of an executor's profiles by name, in the order of the reference."""
    types = get_type_hints(model, include_extras=True)
    others: dict[str, list[str]] = {"container_image": [IMAGE]}
    for written, usual in spellings(model.executor).items():
        name = _ATTRIBUTES.get(usual, usual)
        if written != name:
            others.setdefault(name, []).append(written)
    return {
        item.name: ProfileKey(
            name=item.name,
            spelled=tuple(sorted(others.get(item.name, ()))),
            annotation=types[item.name],
            default={} if item.default is MISSING else item.default,
            says=item.metadata["says"],
        )
        for item in fields(model)
        if "says" in item.metadata and item.name not in model.lacks
    }


def checked(model: type[Profile], key: ProfileKey, value: Any) -> Any:
    """Give a value the type of its key.

    Args:
        model: The executor's profiles.
        key: The key.
        value: What is written.

    Raises:
        WrongValueError: It does not fit.
    """
    found = fitted(value, key.annotation)
    refusal = None if found is None else model.refusal(key.name, found)
    if refusal is not None:
        raise WrongValueError((), value, refusal)
    return found


def spellings_of(model: type[Profile]) -> Mapping[str, ProfileKey]:
    """Map every name that a key may be written under to the key."""
    keys = keys_of(model)
    return {name: key for key in keys.values() for name in key.spelled} | keys
