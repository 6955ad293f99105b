"""NeMo-Run itself: imported when something of it is needed, or said how to get it."""

from __future__ import annotations

from typing import Any

from nemo_runspec.errors import MissingDependencyError
from nemo_runspec.exports import require

INSTALL = "pip install 'nemo-runspec[run]'"


def nemo_run(*, wanted: str) -> Any:
    """Import NeMo-Run, which takes two seconds.

    Args:
        wanted: What needs it, for the message.

    Raises:
        MissingDependencyError: It is not installed, or not with the packages that it works with.
    """
    try:
        return require("nemo_run", wanted=wanted, install="nemo-run")
    except MissingDependencyError as error:
        raise MissingDependencyError(error.what, hint=f"Install it with: {INSTALL}") from error
    except ImportError as error:
        raise MissingDependencyError(
            f"NeMo-Run is installed and cannot be imported: {error}.",
            hint=f"Install the releases that it works with, such as leptonai below 0.28: {INSTALL}",
        ) from error
