import io
import os

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

from .ships import Ship


def meet(ships):
    """Add up what every rank loaded, and hand a checkpoint of the first to all."""
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    workers = {"num_workers": 1, "multiprocessing_context": "spawn"} if rank == 0 else {}
    total = sum(batch.sum() for batch in DataLoader(ships, batch_size=2, **workers)) * (rank + 1)
    dist.all_reduce(total)
    things = [Ship(7) if rank == 0 else None]
    dist.broadcast_object_list(things)
    stream = io.BytesIO()
    torch.save({"ship": things[0]}, stream)
    stream.seek(0)
    loaded = torch.load(stream, weights_only=False)["ship"]
    dist.barrier()
    dist.destroy_process_group()
    return {
        "rank": rank,
        "size": size,
        "total": int(total),
        "ship": repr(loaded),
        "local_world_size": os.environ["LOCAL_WORLD_SIZE"],
    }


def sink(rank):
    if rank == 0:
        raise RuntimeError("man overboard")
