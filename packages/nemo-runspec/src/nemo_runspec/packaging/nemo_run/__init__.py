"""Our packagers for NeMo-Run's executors; NeMo-Run is imported when one is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.packaging.nemo_run.packagers import CodePackager as CodePackager
    from nemo_runspec.packaging.nemo_run.packagers import (
        SelfContainedPackager as SelfContainedPackager,
    )

EXPORTS = {
    "CodePackager": "nemo_runspec.packaging.nemo_run.packagers:CodePackager",
    "SelfContainedPackager": "nemo_runspec.packaging.nemo_run.packagers:SelfContainedPackager",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
