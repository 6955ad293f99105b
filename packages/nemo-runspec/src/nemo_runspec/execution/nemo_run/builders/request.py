"""What a builder is given, whatever the executor."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nemo_runspec.env_toml import find_env_toml
from nemo_runspec.errors import ProfileError
from nemo_runspec.execution.profiles.model import LaunchMode, Profile

P_co = TypeVar("P_co", bound=Profile, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest(Generic[P_co]):
    """One executor to build.

    Attributes:
        run: The module ``nemo_run``.
        profile: The profile.
        variables: The job's environment variables.
        mode: Whether the job is attached or detached.
        packager: NeMo-Run's packager; None for the executor's own choice.
    """

    run: Any
    profile: P_co
    variables: Mapping[str, str] = field(repr=False)
    mode: LaunchMode = "run"
    packager: Any = None

    def packing(self) -> Any:
        """The packager; by default one that sends nothing."""
        return self.run.Packager() if self.packager is None else self.packager

    def same(self, *names: str) -> dict[str, Any]:
        """Take over keys that NeMo-Run's executor has under the same name; unset ones are left."""
        values = {name: _plain(getattr(self.profile, name)) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def need(self, name: str, *, written: str | None = None) -> Any:
        """Take a key that the executor cannot do without.

        Raises:
            ProfileError: The profile has no such key.
        """
        value = getattr(self.profile, name)
        if value is not None:
            return value
        shown, file = written or name, find_env_toml()
        raise ProfileError(
            f"The profile '{self.profile.name}' has no '{shown}', which {self.profile.executor} "
            "needs.",
            where=None if file is None else str(file),
            hint=f"Write {shown} = … under [{self.profile.name}].",
        )

    def refuse_startup_commands(self) -> None:
        """Refuse commands that NeMo-Run's executor has no place for.

        Raises:
            ProfileError: The profile has some.
        """
        if self.profile.startup_commands:
            raise ProfileError(
                f"NeMo-Run's executor for {self.profile.executor} has no place for "
                "'startup_commands'.",
                where=self.profile.name,
                hint="Pass startup_commands=[] and run them in the script; jobs of the "
                "`nemotron` command run them by themselves.",
            )


def _plain(value: Any) -> Any:
    """NeMo-Run keeps lists and dictionaries of its own."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value


def mounted_as(mount: str) -> str:
    """Spell a mount with both sides: ``PATH`` is ``PATH:PATH``."""
    return mount if ":" in mount else f"{mount}:{mount}"


def reworded(error: Exception, profile: Profile) -> ProfileError:
    """The error for a value that NeMo-Run itself refuses."""
    first = str(error).partition("\n")[0].rstrip(".")
    return ProfileError(
        f"NeMo-Run does not take the profile '{profile.name}': {first}.", where=profile.name
    )


def field_names(cls: type) -> set[str]:
    """Name the fields of one of NeMo-Run's dataclasses."""
    return {item.name for item in dataclasses.fields(cls)}
