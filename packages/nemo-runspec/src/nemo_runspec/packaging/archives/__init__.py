"""Packagers that write archives, with the names and options of NeMo-Run's, and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.packaging.archives.base import Packager as Packager
    from nemo_runspec.packaging.archives.git_archive import (
        GitArchivePackager as GitArchivePackager,
    )
    from nemo_runspec.packaging.archives.hybrid import HybridPackager as HybridPackager
    from nemo_runspec.packaging.archives.naming import make_packager as make_packager
    from nemo_runspec.packaging.archives.nothing import NoPackager as NoPackager
    from nemo_runspec.packaging.archives.pattern import PatternPackager as PatternPackager

EXPORTS = {
    "GitArchivePackager": "nemo_runspec.packaging.archives.git_archive:GitArchivePackager",
    "HybridPackager": "nemo_runspec.packaging.archives.hybrid:HybridPackager",
    "NoPackager": "nemo_runspec.packaging.archives.nothing:NoPackager",
    "Packager": "nemo_runspec.packaging.archives.base:Packager",
    "PatternPackager": "nemo_runspec.packaging.archives.pattern:PatternPackager",
    "make_packager": "nemo_runspec.packaging.archives.naming:make_packager",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
