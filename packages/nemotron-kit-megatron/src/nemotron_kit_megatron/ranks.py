"""Which process of a distributed job records."""

from __future__ import annotations

import sys
from typing import Any

from nemo_runspec.distributed import Rank


def is_last_rank() -> bool:
    """Tell whether this process is the last of its job: there the framework keeps its W&B run."""
    distributed: Any = getattr(sys.modules.get("torch"), "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return bool(distributed.get_rank() == distributed.get_world_size() - 1)
    place = Rank.from_environment()
    return place.rank == place.world_size - 1
