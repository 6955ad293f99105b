"""What a container sees beside its image: code cloned from git, and the image itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.execution.mounts.images import place_image as place_image
    from nemo_runspec.execution.mounts.placing import place_mounts as place_mounts

EXPORTS = {
    "place_image": "nemo_runspec.execution.mounts.images:place_image",
    "place_mounts": "nemo_runspec.execution.mounts.placing:place_mounts",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
