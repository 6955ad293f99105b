"""The notice of a withdrawn version on its page in W&B: best effort, and nobody waits for it."""

from __future__ import annotations

import logging
import threading

from nemotron_kit_wandb.client_errors import first_line
from nemotron_kit_wandb.reach import answers

logger = logging.getLogger(__name__)

NOTICE = "withdrawn"
THREAD = "nemotron-withdrawal"

_ATTEMPTS = 5
_PAUSE_S = 3.0
_TIMEOUT_S = 20


def announce_withdrawal(name: str, reason: str) -> threading.Thread:
    """Write why a version was withdrawn into its metadata, from a thread of its own.

    A version that is still on its way there is looked for a few times.

    Args:
        name: Its full name, such as ``team/project/model:manifest-v3``.
        reason: Why it was withdrawn.

    Returns:
        The thread; it ends with the process at the latest.
    """
    thread = threading.Thread(target=_announce, args=(name, reason), name=THREAD, daemon=True)
    thread.start()
    return thread


def _announce(name: str, reason: str) -> None:
    import wandb

    said = "it does not answer"
    for attempt in range(_ATTEMPTS):
        if attempt:
            threading.Event().wait(_PAUSE_S)
        if not answers():
            continue
        try:
            version = wandb.Api(timeout=_TIMEOUT_S).artifact(name)
            version.metadata[NOTICE] = reason
            version.save()
        except (wandb.Error, ValueError, OSError) as error:
            said = first_line(error)
        else:
            return
    logger.warning("W&B does not show that %s is withdrawn: %s.", name, said)
