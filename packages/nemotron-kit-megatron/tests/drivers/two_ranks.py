"""Trains as a job of two processes, each with the place that a launcher gives it.

Usage: two_ranks.py DOUBLE STORE SAVE_DIR GENERATION
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from types import SimpleNamespace
from typing import Any

WORLD_SIZE = 2


def work(rank: int, barrier: Any, arguments: list[str]) -> None:
    double, store, save_dir, generation = arguments
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(WORLD_SIZE)}
    sys.path.insert(0, double)

    from nemo_runspec.artifacts import setup_artifact_tracking
    from nemotron_kit_megatron import training_hooks

    module = importlib.import_module("megatron.bridge.training.callbacks")
    finetune = importlib.import_module("megatron.bridge.training.finetune").finetune
    if generation == "0.3":
        module.VALID_EVENTS -= {"on_checkpoint_save"}
        finetune = importlib.import_module("megatron.bridge.training.finetune").finetune_of_0_3
    config = {"run": {"output": "model"}, "artifacts": {"manifest": {"root": store}}}
    with setup_artifact_tracking(config) as tracking:
        hooks = training_hooks(finetune, tracking)
        # In a step all ranks meet, so none is a whole save ahead of another.
        finetune(settings(save_dir, barrier), lambda _: barrier.wait(60), **hooks)


def settings(save_dir: str, barrier: Any) -> SimpleNamespace:
    checkpoint = SimpleNamespace(
        save=save_dir,
        save_interval=2,
        non_persistent_ckpt_type="local",
        non_persistent_global_ckpt_dir=None,
        non_persistent_save_interval=1,
        restart_points=(1, 3, 5),
        most_recent_k=-1,
        async_save=True,
    )
    return SimpleNamespace(
        start=0,
        train=SimpleNamespace(train_iters=6),
        checkpoint=checkpoint,
        wandb_logger=None,
        barrier=lambda: barrier.wait(60),
    )


def main() -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WORLD_SIZE)
    ranks = [
        context.Process(target=work, args=(rank, barrier, sys.argv[1:]))
        for rank in range(WORLD_SIZE)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    sys.exit(max(process.exitcode or 0 for process in ranks))


if __name__ == "__main__":
    main()
