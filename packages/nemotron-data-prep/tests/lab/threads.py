"""Print how many threads a worker has that shares the cores with as many others as there are.

Nothing is loaded on top: workers load it too, before they do anything.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def count_threads(_attempt: object) -> dict[str, Any]:
    import numpy as np

    return {"loaded": np.__name__, "threads": sum(1 for _ in Path("/proc/self/task").iterdir())}


def main() -> None:
    from nemotron_data_prep.engines.local import ProcessEngine
    from nemotron_data_prep.engines.work import Attempt
    from nemotron_data_prep.plan import Shard

    engine = ProcessEngine(len(os.sched_getaffinity(0)))
    engine.start(None)
    engine.load(count_threads)
    engine.submit(Attempt(Shard(0, 0, (), 0)))
    print(engine.next_outcome())  # noqa: T201
    engine.close()


if __name__ == "__main__":
    main()
