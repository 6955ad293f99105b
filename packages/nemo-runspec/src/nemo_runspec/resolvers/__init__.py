"""The OmegaConf resolvers ``art``, ``mul`` and ``auto_mount``, and the pinning of references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.resolvers.auto_mount import AutoMount as AutoMount
    from nemo_runspec.resolvers.auto_mount import parse_auto_mount as parse_auto_mount
    from nemo_runspec.resolvers.pinning import RunReference as RunReference
    from nemo_runspec.resolvers.pinning import pin_references as pin_references
    from nemo_runspec.resolvers.pinning import resolve_run_references as resolve_run_references
    from nemo_runspec.resolvers.registration import clear_artifact_cache as clear_artifact_cache
    from nemo_runspec.resolvers.registration import register_resolvers as register_resolvers
    from nemo_runspec.resolvers.registration import (
        register_resolvers_from_config as register_resolvers_from_config,
    )

EXPORTS = {
    "AutoMount": "nemo_runspec.resolvers.auto_mount:AutoMount",
    "RunReference": "nemo_runspec.resolvers.pinning:RunReference",
    "clear_artifact_cache": "nemo_runspec.resolvers.registration:clear_artifact_cache",
    "parse_auto_mount": "nemo_runspec.resolvers.auto_mount:parse_auto_mount",
    "pin_references": "nemo_runspec.resolvers.pinning:pin_references",
    "register_resolvers": "nemo_runspec.resolvers.registration:register_resolvers",
    "register_resolvers_from_config": (
        "nemo_runspec.resolvers.registration:register_resolvers_from_config"
    ),
    "resolve_run_references": "nemo_runspec.resolvers.pinning:resolve_run_references",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
