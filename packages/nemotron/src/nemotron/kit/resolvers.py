"""The OmegaConf resolvers of artifact references."""

# ruff: noqa: PLC0414 - an alias is how a module says that it re-exports a name

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.resolvers import clear_artifact_cache as clear_artifact_cache
    from nemo_runspec.resolvers import (
        register_resolvers_from_config as register_resolvers_from_config,
    )

EXPORTS = {
    "clear_artifact_cache": "nemo_runspec.resolvers:clear_artifact_cache",
    "register_resolvers_from_config": "nemo_runspec.resolvers:register_resolvers_from_config",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
