"""What would keep a profile's jobs from running, each with its cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.execution.checking.model import Check as Check
    from nemo_runspec.execution.checking.profile import check_profile as check_profile

EXPORTS = {
    "Check": "nemo_runspec.execution.checking.model:Check",
    "check_profile": "nemo_runspec.execution.checking.profile:check_profile",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
