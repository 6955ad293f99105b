"""Stands in for Megatron-Bridge's module of this name, which needs torch to be imported.

The signature is compared with the real one where torch is at hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

reported: list[str] = []
writers: list[Any] = []


def on_save_checkpoint_success(
    checkpoint_path: str, save_dir: str, iteration: int, wandb_writer: Any | None
) -> None:
    reported.append(checkpoint_path)
    writers.append(wandb_writer)
    if not hasattr(wandb_writer, "Artifact"):
        return
    artifact = wandb_writer.Artifact(Path(save_dir).stem, type="model")
    artifact.add_reference(f"file://{checkpoint_path}", checksum=False)
    wandb_writer.run.log_artifact(artifact, aliases=[Path(checkpoint_path).stem])
