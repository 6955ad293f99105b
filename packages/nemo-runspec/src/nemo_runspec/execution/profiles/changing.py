"""A profile with other values for some of its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from nemo_runspec.errors import ProfileError
from nemo_runspec.execution.profiles.keys import checked, spellings_of
from nemo_runspec.execution.profiles.model import Profile
from nemo_runspec.execution.profiles.values import WrongValueError
from nemo_runspec.suggest import did_you_mean

P = TypeVar("P", bound=Profile)


def changed(profile: P, overrides: Mapping[str, Any]) -> P:
    """Give a profile other values.

    Args:
        profile: The profile; it is not changed.
        overrides: Values by key, in any of its spellings; None takes the default.

    Raises:
        ProfileError: The executor has no such key, or a value is of another type.
    """
    known = spellings_of(type(profile))
    values: dict[str, Any] = {}
    for written, value in overrides.items():
        key = known.get(written)
        if key is None:
            raise ProfileError(
                f"The executor {profile.executor} has no key '{written}'.",
                where=written,
                hint=did_you_mean(written, known),
            )
        try:
            values[key.name] = key.default if value is None else checked(type(profile), key, value)
        except WrongValueError as error:
            raise ProfileError(error.told(".".join((written, *error.path)))) from error
    return replace(profile, **values)
