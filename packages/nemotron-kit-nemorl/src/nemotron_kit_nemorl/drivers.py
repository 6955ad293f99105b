"""Start one of NeMo-RL's own drivers, whose functions change between releases."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from nemo_runspec.errors import ExecutionError
from nemotron_kit_nemorl.resolvers import release_resolvers
from nemotron_kit_nemorl.versions import WORKS


def run_driver(driver: str | Path, config_file: str | Path, overrides: Sequence[str] = ()) -> None:
    """Run a driver in this process, where the hooks are in place.

    The driver finds the resolvers free that it registers itself; ``art`` stays registered.

    Args:
        driver: The script, such as ``/opt/nemo-rl/examples/run_grpo.py``.
        config_file: Its ``--config``.
        overrides: Hydra's overrides for it.

    Raises:
        ExecutionError: There is no such script.
    """
    script = Path(driver)
    if not script.is_file():
        raise ExecutionError(f"There is no driver {script}.", hint=WORKS)
    release_resolvers()
    before = sys.argv
    sys.argv = [str(script), "--config", str(config_file), *overrides]
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        sys.argv = before
