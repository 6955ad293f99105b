"""Keep a cluster running for a shell: `python -m slurm_cluster FOLDER [--without-accounting]`."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path

from .cluster import running


def main() -> None:
    """Run a cluster until this process is ended."""
    parser = argparse.ArgumentParser(prog="slurm_cluster", description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty folder, or one that is to be made")
    parser.add_argument("--without-accounting", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    accounting = not given.without_accounting
    with running(given.folder.resolve(), accounting=accounting) as cluster:
        for name, value in cluster.environment.items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
