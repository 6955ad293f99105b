"""What a process knows that runs a packaged ``main.py``: nothing of ours is installed there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The module that the importer at the top of main.py makes.
_PACKAGE = "_nemotron_package"
_CONFIG = "config.yaml"


def packaged_provenance() -> Mapping[str, Any] | None:
    """Where the packaged code comes from; None where the process runs no packaged recipe.

    Returns:
        ``git_commit`` and ``git_dirty``, and for a recipe its ``runspec`` name and ``image``: of
        the checkout that it was packaged in, whatever folder the process runs in.
    """
    package = sys.modules.get(_PACKAGE)
    if package is None:
        return None
    found: Mapping[str, Any] = package.PROVENANCE
    return found


def packaged_config() -> Path | None:
    """The configuration that was packaged with the recipe, beside ``main.py``."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if _PACKAGE not in sys.modules or not isinstance(file, str):
        return None
    config = Path(file).absolute().with_name(_CONFIG)
    return config if config.is_file() else None
