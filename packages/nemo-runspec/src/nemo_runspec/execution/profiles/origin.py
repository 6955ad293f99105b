"""Where a key of ``run.env`` was written: env.toml, the command line, a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.config.locate import key_line
from nemo_runspec.env_toml import EnvToml
from nemo_runspec.profile_spellings import EXECUTOR, spellings
from nemo_runspec.runspec import Runspec

_SECTION = "run.env"
_COMMAND_LINE = "the command line"


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
    env: EnvToml | None = None
    recipe: Runspec | None = None
    job: DictConfig | None = None

    def shown(self, key: str) -> str:
        """Spell a key as the user wrote it."""
        typed, written = self._typed(key), self._in_profile(key)
        if typed is not None:
            return f"{_SECTION}.{typed}"
        if written is not None:
            return f"{self.name}.{written}"
        return f"{_SECTION}.{key}" if self.job is not None else key

    def is_default(self, key: str) -> bool:
        """Tell whether only the recipe or its configuration sets a key."""
        named = (self._typed(key), self._in_profile(key))
        return self.job is not None and named == (None, None)

    def where(self, key: str, *below: str) -> str | None:
        """Name the file and line of a key, or the command line."""
        if self._typed(key) is not None:
            return _COMMAND_LINE
        written = self._in_profile(key)
        if self.env is not None and written is not None:
            return self.env.where(self.env.table_with(self.name, written), written, *below)
        if self.recipe is not None and key in self.recipe.env:
            return str(self.recipe.path)
        return self._in_config(key, *below)

    def tables(self) -> list[tuple[str, Mapping[str, Any]]]:
        """List the tables of env.toml that the profile consists of, each with its name."""
        if self.env is None or self.name not in self.env.profiles:
            return []
        return [(name, self.env.profiles[name]) for name in self.env.lineage(self.name)]

    def _in_config(self, key: str, *below: str) -> str | None:
        if self.job is None:
            return None
        file = OmegaConf.select(self.job, "run.provenance.config_file")
        if file is None:
            return None
        line = key_line(Path(file), ("run", "env", key, *below))
        return str(file) if line is None else f"{file}:{line}"

    def _in_profile(self, key: str) -> str | None:
        """How the profile spells a key; None where it does not write it."""
        if self.env is None or self.name not in self.env.profiles:
            return None
        settings = self.env.profile(self.name)
        return next((name for name in self._names(key) if name in settings), None)

    def _typed(self, key: str) -> str | None:
        """How the command line spells a key; None where it does not write it."""
        if self.job is None:
            return None
        argv = OmegaConf.select(self.job, "run.provenance.argv") or ()
        words = [str(word).lstrip("+") for word in argv]
        typed = next((name for name in self._names(key) if _is_typed(name, words)), None)
        whole = any(word.startswith(f"{_SECTION}=") and key in word for word in words)
        return typed or (key if whole else None)

    def _names(self, key: str) -> list[str]:
        executor = None
        if self.job is not None:
            executor = OmegaConf.select(self.job, f"{_SECTION}.{EXECUTOR}")
        elif self.env is not None and self.name in self.env.profiles:
            executor = self.env.profile(self.name).get(EXECUTOR)
        usual = spellings(executor)
        return [*(name for name, other in usual.items() if other == key), key]


def _is_typed(name: str, words: list[str]) -> bool:
    beginning = f"{_SECTION}.{name}"
    return any(word.startswith((f"{beginning}=", f"{beginning}.")) for word in words)
