"""Packaging: a recipe with all that it needs of ours, in one file or as a tree of code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.packaging.composing import compose_for_package as compose_for_package
    from nemo_runspec.packaging.self_contained import PackagedJob as PackagedJob
    from nemo_runspec.packaging.self_contained import (
        SelfContainedPackager as SelfContainedPackager,
    )
    from nemo_runspec.packaging.self_contained import package_script as package_script

EXPORTS = {
    "compose_for_package": "nemo_runspec.packaging.composing:compose_for_package",
    "PackagedJob": "nemo_runspec.packaging.self_contained:PackagedJob",
    "SelfContainedPackager": "nemo_runspec.packaging.self_contained:SelfContainedPackager",
    "package_script": "nemo_runspec.packaging.self_contained:package_script",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
