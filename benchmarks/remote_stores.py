"""What a version costs on object stores and on the Hub, however many there are."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import fsspec
from gcsfs.core import GCSFileSystem

from benchmarks.support.harness import Cell, Check, Result, publish, take_turns
from nemo_runspec.artifacts import Lineage, ModelArtifact
from nemo_runspec.manifest_tracker import ManifestTracker
from tests.storage import servers
from tests.storage.hub.fake_hub import WRITER, running_hub

COUNTS = (1, 1_000, 10_000)
ROUNDS = 20
FLAT_LIMIT = 1.5
BATCH = 64
ARTIFACT = ModelArtifact(path=Path("/checkpoints"), step=1)


@dataclass(frozen=True)
class Store:
    """A server, and the ways past our own code to it.

    Attributes:
        label: What the page calls it.
        root: An empty manifest root.
        write_many: Writes files by their paths below the root.
    """

    label: str
    root: str
    write_many: Callable[[Mapping[str, bytes]], object]


def main() -> None:
    """Measure one server after the other; each is alone while it is measured."""
    rows: list[dict[str, Cell]] = []
    checks: list[Check] = []
    for opened in (seaweedfs, fake_gcs, fake_hub):
        with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as store:
            medians_ms = measure(store)
        rows += [row(store.label, count, medians_ms) for count in COUNTS]
        checks += [flat(store.label, action, medians_ms) for action in ("log", "resolve")]
    publish(
        Result(
            name="remote_stores",
            title="Recording and finding versions on remote storage",
            setting=f"Median of {ROUNDS} turns against servers on the same machine: there is no "
            "network in between. The floor is one kilobyte put in place of another, through the "
            "same client.",
            rows=rows,
            checks=checks,
        )
    )


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[Store]:
    """SeaweedFS, a real server of S3."""
    with servers.seaweedfs(folder) as url:
        os.environ.update(servers.s3_environment(url))
        client = fsspec.filesystem("s3")
        client.mkdir(servers.BUCKET)
        yield object_store("S3 (SeaweedFS)", f"s3://{servers.BUCKET}/manifests", client)


@contextlib.contextmanager
def fake_gcs(_folder: Path) -> Iterator[Store]:
    """fake-gcs-server."""
    with servers.fake_gcs() as url:
        os.environ.update(STORAGE_EMULATOR_HOST=url, GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT="false")
        client = GCSFileSystem(token="anon", endpoint_url=url)  # noqa: S106 - no secret
        client.call("POST", "b", json={"name": servers.BUCKET})
        yield object_store("GCS (fake-gcs-server)", f"gs://{servers.BUCKET}/manifests", client)


@contextlib.contextmanager
def fake_hub(_folder: Path) -> Iterator[Store]:
    """The test suite's Hub, which speaks the protocol and keeps commits in memory."""
    with running_hub() as hub:
        os.environ.update(HF_ENDPOINT=hub.url, HF_TOKEN=WRITER)
        repo = hub.create("team/artifacts")
        yield Store(
            "Hub (test server)",
            "hf://team/artifacts",
            lambda files: repo.commit("main", "many", dict(files)),
        )


def object_store(label: str, root: str, client: fsspec.AbstractFileSystem) -> Store:
    """Describe a store that fsspec writes to."""

    def write_many(files: Mapping[str, bytes]) -> None:
        client.pipe({f"{root}/{path}": data for path, data in files.items()}, batch_size=BATCH)

    return Store(label, root, write_many)


def measure(store: Store) -> dict[str, float]:
    """Median milliseconds of the floor, and of each action at each number of versions."""
    tracker = ManifestTracker(store.root)
    for count in COUNTS:
        lay_versions_down(tracker, store, count)
    work: dict[str, Callable[[], object]] = {"floor": lambda: replace_a_file(tracker)}
    for count in COUNTS:
        work[f"log {count}"] = lambda name=f"n{count}": log(tracker, name)  # type: ignore[misc]
        work[f"resolve {count}"] = lambda name=f"n{count}": tracker.resolve(name)  # type: ignore[misc]
    return take_turns(work, rounds=ROUNDS)


def replace_a_file(tracker: ManifestTracker) -> None:
    """The least that writes anything: one small file, different each time."""
    tracker.files.replace("floor", f"{time.perf_counter_ns():01024}".encode())


def lay_versions_down(tracker: ManifestTracker, store: Store, count: int) -> None:
    """Write a name's versions as files, and the hint that their writers would have left."""
    name = f"n{count}"
    log(tracker, name)
    document = tracker.read_document(name, 1)
    files = {
        f"{name}/v{version}/manifest.json": json.dumps(document | {"version": version}).encode()
        for version in range(2, count + 1)
    }
    store.write_many(files | {f"{name}/latest": f"v{count}".encode()})


def log(tracker: ManifestTracker, name: str) -> None:
    """Record one version."""
    tracker.log(ARTIFACT, name=name, lineage=Lineage())


def row(label: str, count: int, medians_ms: Mapping[str, float]) -> dict[str, Cell]:
    """One line of the table."""
    return {
        "store": label,
        "versions": f"{count:,}",
        "log_ms": round(medians_ms[f"log {count}"], 1),
        "resolve_ms": round(medians_ms[f"resolve {count}"], 1),
        "log, times the floor": round(medians_ms[f"log {count}"] / medians_ms["floor"], 1),
    }


def flat(label: str, action: str, medians_ms: Mapping[str, float]) -> Check:
    """The promise that the number of versions does not matter."""
    few, many = COUNTS[0], COUNTS[-1]
    return Check(
        f"{label}: {action} at {many:,} versions, times at {few}",
        round(medians_ms[f"{action} {many}"] / medians_ms[f"{action} {few}"], 2),
        FLAT_LIMIT,
    )


if __name__ == "__main__":
    main()
