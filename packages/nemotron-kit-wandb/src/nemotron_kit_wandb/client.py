"""The client's own process, ``wandb-core``, which tries again for as long as it lives."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import Any

logger = logging.getLogger(__name__)


def end_core() -> bool:
    """End this process's ``wandb-core``, so that every call that waits for it returns.

    Returns:
        Whether there was one.
    """
    core = _core()
    if core is None:
        return False
    core.kill()
    core.wait()
    return True


def forget_core() -> None:
    """Let the client start anew after :func:`end_core`, and not mourn at the process's end."""
    wandb = sys.modules.get("wandb")
    if wandb is None:
        return
    try:
        wandb.teardown()
    except SystemExit:
        logger.debug("The W&B client's process was ended, which is no reason to end this one.")
    except Exception:  # the client's own, of a connection that is gone
        logger.debug("The W&B client was ended.", exc_info=True)
    os.environ.pop("WANDB_SERVICE", None)


def leave_parents_core() -> None:
    """Have the client start a process of its own, where it would take that of a parent."""
    if _core() is None:
        os.environ.pop("WANDB_SERVICE", None)


def _core() -> subprocess.Popen[bytes] | None:
    setup = sys.modules.get("wandb.sdk.wandb_setup")
    found: Any = setup
    # No public name leads there, in any version.
    for name in ("_singleton", "_connection", "_proc", "_process"):
        found = getattr(found, name, None)
    return found if isinstance(found, subprocess.Popen) else None
