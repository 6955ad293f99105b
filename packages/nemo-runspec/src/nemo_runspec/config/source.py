"""Which file a job's configuration comes from, for messages."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException


def source_file(config: DictConfig) -> str | None:
    """Read the file's name that a job's provenance keeps.

    Args:
        config: Any configuration.

    Returns:
        ``run.provenance.config_file``, or None where there is none.
    """
    try:
        found = OmegaConf.select(config, "run.provenance.config_file", default=None)
    except OmegaConfBaseException:
        return None
    return found if isinstance(found, str) else None
