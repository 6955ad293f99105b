"""Two processes save through megatron-core's own asynchronous requests, and finalize them.

The environment does not tell their ranks: torch does. Usage: save.py STORE SAVE_DIR
"""

from __future__ import annotations

import importlib
import multiprocessing
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

WORLD_SIZE = 2


def stand_in() -> None:
    folder = PathFinder.find_spec("megatron", sys.path).submodule_search_locations
    spec = PathFinder.find_spec("megatron.bridge", list(folder))
    package = ModuleType("megatron.bridge")
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    sys.modules["megatron.bridge"] = package


def work(rank: int, store: str, save: str) -> None:
    import torch
    from megatron.core.dist_checkpointing.strategies.async_utils import AsyncRequest

    from nemo_runspec.artifacts import setup_artifact_tracking
    from nemotron_kit_megatron import checkpoint_callbacks

    stand_in()
    meeting = Path(save).with_name("meeting")
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=WORLD_SIZE
    )
    wandb_utils = importlib.import_module("megatron.bridge.training.utils.wandb_utils")
    config = {"run": {"output": "model"}, "artifacts": {"manifest": {"root": store}}}
    with setup_artifact_tracking(config) as tracking:
        checkpoint_callbacks(tracking)
        for step in (20, 40):
            path = Path(save) / f"iter_{step:07d}"

            def write(path: Path = path) -> None:
                path.mkdir(parents=True, exist_ok=True)
                (path / f"__{rank}_0.distcp").write_bytes(b"weights")

            def tell(path: Path = path, step: int = step) -> None:
                wandb_utils.on_save_checkpoint_success(str(path), save, step + 5, None)

            request = AsyncRequest(write, (), [])
            if rank == 0:
                request.add_finalize_fn(lambda path=path: (path / "metadata").touch())
            request.add_finalize_fn(torch.distributed.barrier)
            if rank == WORLD_SIZE - 1:
                request.add_finalize_fn(tell)
                done = len(tracking.manifest_tracker.versions("model"))
                sys.stdout.write(f"rank {rank} had recorded {done} before\n")
            request.execute_sync()
    torch.distributed.destroy_process_group()


def main() -> None:
    context = multiprocessing.get_context("spawn")
    ranks = [context.Process(target=work, args=(rank, *sys.argv[1:])) for rank in range(WORLD_SIZE)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    sys.exit(max(process.exitcode or 0 for process in ranks))


if __name__ == "__main__":
    main()
