"""The test cluster and its fixtures; under importlib mode a test folder is on no path by itself."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

# NeMo-Run looks up where it keeps jobs as it is imported.
os.environ["NEMORUN_HOME"] = tempfile.mkdtemp(prefix="nemorun-")
sys.path.insert(0, str(Path(__file__).parents[1]))

from slurm_cluster.fixtures import (
    cluster,
    cluster_without_accounting,
    shared_cluster,
    shared_cluster_without_accounting,
)

_SLOWEST = 15


def pytest_configure(config: pytest.Config) -> None:
    """Tell where the time of these tests goes, which is the longest of all."""
    if config.option.durations is None:
        config.option.durations = _SLOWEST


__all__ = [
    "cluster",
    "cluster_without_accounting",
    "shared_cluster",
    "shared_cluster_without_accounting",
]
