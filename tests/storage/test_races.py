"""16 writers at once, on real servers: every version is one writer's, and none is left out."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from logging_models import NAME, log
from proxy import Proxy

from nemo_runspec.manifest_tracker import ManifestTracker

DRIVER = Path(__file__).parent / "drivers" / "race.py"
WRITERS = 16
EACH = 2
ENDPOINTS = {"s3": "AWS_ENDPOINT_URL_S3", "gs": "STORAGE_EMULATOR_HOST"}


def references(count: int) -> list[str]:
    return [f"{NAME}:v{number}" for number in range(1, count + 1)]


def by_number(refs: list[str]) -> list[str]:
    return sorted(refs, key=lambda ref: int(ref.rpartition(":v")[2]))


def test_threads_give_way_to_each_other(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers that do not pause lose four claims and more per version, in every race."""
    endpoint = ENDPOINTS[root.partition(":")[0]]
    server = os.environ[endpoint]

    def race(number: int) -> float:
        with Proxy(server) as proxy:
            monkeypatch.setenv(endpoint, proxy.url)
            return claims_lost(f"{root}/{number}", proxy)

    # How often they meet is a matter of chance, and of what else the machine does.
    assert any(race(number) <= 3 for number in range(3))


def claims_lost(root: str, proxy: Proxy) -> float:
    """Let threads race for versions, of which none is lost; return the lost claims per version."""
    refs = [log(ManifestTracker(root))]
    before = len(proxy.replies)
    barrier = threading.Barrier(WRITERS)

    def write(_writer: int) -> list[str]:
        tracker = ManifestTracker(root)
        barrier.wait()
        return [log(tracker) for _ in range(EACH)]

    with ThreadPoolExecutor(WRITERS) as pool:
        refs += [ref for written in pool.map(write, range(WRITERS)) for ref in written]
    assert by_number(refs) == references(1 + WRITERS * EACH)
    return sum(status == 412 for _, status in proxy.replies[before:]) / (WRITERS * EACH)


def test_processes_forked_from_a_writer(root: str) -> None:
    command = [sys.executable, str(DRIVER), root, NAME, str(WRITERS), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert by_number(done.stdout.split()) == references(2 + WRITERS)
    assert ManifestTracker(root).versions(NAME) == list(range(1, 3 + WRITERS))
