"""Where a key of ``run.env`` was written: env.toml, the command line, a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.env_toml import EnvToml
from nemo_runspec.runspec import Runspec

_SECTION = "run.env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a profile was put together from.

    Attributes:
        name: The profile's name.
        env: The env.toml that it stands in, if it stands in one.
        recipe: The recipe whose job this is, if it is one's.
        job: The composed job, if there is one.
    """

    name: str
    env: EnvToml | None
    recipe: Runspec | None = None
    job: DictConfig | None = None

    def shown(self, key: str) -> str:
        """Spell a key as the user wrote it."""
        return f"{self.name}.{key}" if self._in_profile(key) else f"{_SECTION}.{key}"

    def is_default(self, key: str) -> bool:
        """Tell whether only the recipe or its configuration sets a key."""
        return self.job is not None and not self._in_profile(key) and not self._typed(key)

    def where(self, key: str, *below: str) -> str | None:
        """Name the file and line of a key, or the command line."""
        if self._typed(key):
            return "the command line"
        if self.env is not None and self._in_profile(key):
            table = self.env.table_with(self.name, key)
            return self.env.where(table, key, *below)
        if self.job is None:
            return None
        file = OmegaConf.select(self.job, "run.provenance.config_file")
        return None if file is None else str(file)

    def _in_profile(self, key: str) -> bool:
        if self.env is None or self.name not in self.env.profiles:
            return self.job is None
        return key in self.env.profile(self.name)

    def _typed(self, key: str) -> bool:
        """Tell whether the command line sets a key."""
        if self.job is None:
            return False
        words = OmegaConf.select(self.job, "run.provenance.argv") or ()
        beginning = f"{_SECTION}.{key}"
        return any(
            str(word).lstrip("+~").startswith((f"{beginning}=", f"{beginning}.")) for word in words
        )
