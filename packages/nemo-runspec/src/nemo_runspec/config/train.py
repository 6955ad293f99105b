"""The configuration that a script sees: everything resolved but what only the target knows."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.config.deferral import Deferral
from nemo_runspec.config.direct import with_direct_references
from nemo_runspec.config.escaping import escape_values
from nemo_runspec.config.files import first_line
from nemo_runspec.config.secrets import refer_to_variables
from nemo_runspec.config.source import source_file
from nemo_runspec.errors import ConfigError


def extract_train_config(job: DictConfig) -> DictConfig:
    """Reduce a job's configuration to what its script needs; no store is asked.

    Whatever depends on an artifact or on the target's environment stays as text, whole: any
    value that reads ``art`` or ``oc.env`` itself, inside another resolver's arguments, or
    through keys that it refers to. In such texts ``${art:data,F}`` becomes direct,
    ``${art:'nano3-sft-data:v2',F}``, with the reference that ``run.data`` holds, so that
    sections can be stripped, merged or detached. Everything else is resolved. ``run`` and
    ``artifacts`` are kept. A variable of the job whose value must not be written is referred to
    as one of the target's environment, which has it.

    Args:
        job: The job's configuration; it is not changed.

    Returns:
        A new configuration; resolving it gives the same values as resolving the job's.

    Raises:
        ConfigError: A resolver is unknown or a value cannot be resolved; the message names
            the full key, and the file where known.
    """
    _register_own_resolvers()
    extraction = _Extraction(refer_to_variables(job))
    content: dict[Any, Any] = extraction.section((), extraction.deferral.raw)
    return OmegaConf.create(content)


class _Extraction:
    def __init__(self, job: DictConfig) -> None:
        self.source = source_file(job)
        self.deferral = Deferral(job, self.source)

    def section(self, path: tuple[Any, ...], raw: Any) -> Any:
        if isinstance(raw, dict):
            return {key: self.section((*path, key), value) for key, value in raw.items()}
        if isinstance(raw, list):
            return [self.section((*path, at), value) for at, value in enumerate(raw)]
        if isinstance(raw, str) and "${" in raw:
            return self.text(path, raw)
        return raw

    def text(self, path: tuple[Any, ...], raw: str) -> Any:
        try:
            if self.deferral.is_literal(raw):
                return raw
            if self.deferral.of(path):
                return with_direct_references(raw, path, self.deferral)
            return escape_values(self.deferral.resolve(path))
        except OmegaConfBaseException as error:
            key = ".".join(str(part) for part in path)
            raise ConfigError(
                f"'{key}: {raw}' cannot be resolved: {first_line(error)}.", where=self.source
            ) from error


def _register_own_resolvers() -> None:
    if OmegaConf.has_resolver("mul") and OmegaConf.has_resolver("auto_mount"):
        return
    from nemo_runspec.resolvers import register_resolvers

    register_resolvers()
