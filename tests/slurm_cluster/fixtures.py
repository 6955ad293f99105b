"""Fixtures that give a test a cluster, which it shares with the others of its session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import SlurmCluster, running

# Tests of that cluster, for one process: each that has some starts one of its own.
WITHOUT_ACCOUNTING = pytest.mark.xdist_group("without accounting")


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[SlurmCluster]:
    yield from _cluster(accounting=True)


@pytest.fixture(scope="session")
def shared_cluster_without_accounting() -> Iterator[SlurmCluster]:
    yield from _cluster(accounting=False)


@pytest.fixture
def cluster(
    shared_cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SlurmCluster]:
    """A cluster with accounting, whose user this process is; its jobs end with the test."""
    yield from _used(shared_cluster, monkeypatch)


@pytest.fixture
def cluster_without_accounting(
    shared_cluster_without_accounting: SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SlurmCluster]:
    """A cluster where `sacct` knows nothing."""
    yield from _used(shared_cluster_without_accounting, monkeypatch)


def _cluster(*, accounting: bool) -> Iterator[SlurmCluster]:
    # Not pytest's own: the path has to leave room for the sockets.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    try:
        with running(folder, accounting=accounting) as started:
            yield started
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _used(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield cluster
    cluster.ssh.restore()
    cluster.cancel_all()
