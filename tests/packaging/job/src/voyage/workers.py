"""Work in processes that are started in every way."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

from voyage.cargo import Crate, LostError, load, loaded


def work(method: str, of_the_script) -> dict[str, object]:
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["voyage.cargo"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        crates = list(pool.map(load, [Crate(1), Crate(2)]))
        words = list(pool.map(of_the_script, crates))
        count = pool.submit(loaded).result()
        lost = pool.submit(load, Crate(-1)).exception()
    return {
        "crates": repr(crates),
        "words": words,
        "loaded": (count, loaded()),
        "lost": (type(lost) is LostError, lost.crate == Crate(-1)),
    }


def setting() -> dict[str, object]:
    """What a process can say of how it was started."""
    return {"optimized": sys.flags.optimize, "process": multiprocessing.current_process().name}
