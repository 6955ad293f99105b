"""The recipe whose script this process runs."""

from __future__ import annotations

import sys
from pathlib import Path

from nemo_runspec.errors import RunspecError
from nemo_runspec.runspec.model import Runspec
from nemo_runspec.runspec.parsing import parse


def running_script() -> Path | None:
    """The script that this process runs; None where code was typed in."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(script).absolute() if isinstance(script, str) else None


def running_recipe() -> Runspec | None:
    """Read the header of the script that this process runs.

    Returns:
        None where it has none that can be read: the process runs something else.
    """
    script = running_script()
    if script is None:
        return None
    try:
        return parse(script)
    except (RunspecError, OSError, UnicodeDecodeError):
        return None
