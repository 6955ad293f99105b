"""Refuse early what a server that does not answer could only make wait."""

from __future__ import annotations

from nemotron_kit_wandb.calling import WandbUnreachableError
from nemotron_kit_wandb.credentials import find_server
from nemotron_kit_wandb.reach import answers

PATIENCE_S = 10.0


def refuse_silent_server(what: str, timeout_s: float = PATIENCE_S) -> None:
    """Ask whether the server is there, before the client goes on asking for minutes.

    Args:
        what: What is about to be done, for the message: ``record nano3-sft-data``.
        timeout_s: How long the server may take.

    Raises:
        WandbUnreachableError: It does not answer.
    """
    if not answers(timeout_s=timeout_s):
        raise WandbUnreachableError(
            f"W&B does not answer, which is needed to {what}.",
            where=find_server(),
            hint="Try again when it does; with manifests (artifacts.manifest.root=PATH) no job "
            "waits for W&B.",
        )
