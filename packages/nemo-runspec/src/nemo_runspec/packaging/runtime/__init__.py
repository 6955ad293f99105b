"""The importer inside a packaged ``main.py``: modules whose source lies in that file.

The sources of these parts are put into ``main.py`` as they stand, and run there in this order, as
modules of a package that is not installed. So each imports the others relatively and at its top,
needs the standard library alone, and at the start as little of that as possible.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

PARTS = (
    "bytecode",
    "contents",
    "resources",
    "ray_workers",
    "loading",
    "needs",
    "tracebacks",
    "starting",
)


@lru_cache(maxsize=1)
def part_sources() -> dict[str, str]:
    """Read the source of each part, in the order in which they run."""
    folder = Path(__file__).parent
    return {name: (folder / f"{name}.py").read_text(encoding="utf-8") for name in PARTS}
