"""What a version costs to record and to find, however many there are."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.support.harness import Cell, Check, Result, publish, take_turns
from nemo_runspec.artifacts import Lineage, ModelArtifact
from nemo_runspec.manifest_tracker import ManifestTracker

COUNTS = (1, 1_000, 10_000)
STORES = ("local disk", "memory")
ROUNDS = 60
FLAT_LIMIT = 1.5
FLOOR_LIMIT = 8.0
ARTIFACT = ModelArtifact(path=Path("/checkpoints"), step=1)


def main() -> None:
    """Take turns between the stores and the floor, so that all meet the same disk."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        root = Path(folder)
        disk, memory = ManifestTracker(root), ManifestTracker("memory://benchmark")
        for count in COUNTS:
            lay_versions_down(disk, count, partial(write_below, root))
            lay_versions_down(memory, count, memory.files.replace)
        work: dict[str, Callable[[], object]] = {"floor": lambda: link_a_durable_file(root)}
        for label, tracker in zip(STORES, (disk, memory), strict=True):
            for count in COUNTS:
                work[f"{label} log {count}"] = partial(log, tracker, f"n{count}")
                work[f"{label} resolve {count}"] = partial(tracker.resolve, f"n{count}")
        medians_ms = take_turns(work, rounds=ROUNDS)
    publish(result(medians_ms))


def lay_versions_down(
    tracker: ManifestTracker, count: int, write: Callable[[str, bytes], None]
) -> None:
    """Write a name's versions as files, and the hint that their writers would have left."""
    name = f"n{count}"
    log(tracker, name)
    document = tracker.read_document(name, 1)
    for version in range(2, count + 1):
        manifest = json.dumps(document | {"version": version}).encode()
        write(f"{name}/v{version}/manifest.json", manifest)
    write(f"{name}/latest", f"v{count}".encode())


def write_below(root: Path, path: str, data: bytes) -> None:
    """Write a file past the store's own code."""
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_bytes(data)


def log(tracker: ManifestTracker, name: str) -> None:
    """Record one version."""
    tracker.log(ARTIFACT, name=name, lineage=Lineage())


def link_a_durable_file(root: Path) -> None:
    """The least that publishes a file: write it, sync it, link it, sync the folder."""
    unique = f"floor-{time.perf_counter_ns()}"
    staged, target = root / f".{unique}", root / unique
    with staged.open("xb") as stream:
        stream.write(b"x" * 1024)
        stream.flush()
        os.fsync(stream.fileno())
    os.link(staged, target)
    staged.unlink()
    descriptor = os.open(root, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def result(medians_ms: dict[str, float]) -> Result:
    """Compare with the floor, and the largest store with the smallest."""
    rows: list[dict[str, Cell]] = [
        {
            "store": store,
            "versions": f"{count:,}",
            "log_ms": round(medians_ms[f"{store} log {count}"], 2),
            "resolve_ms": round(medians_ms[f"{store} resolve {count}"], 2),
            "log, times the floor": round(
                medians_ms[f"{store} log {count}"] / medians_ms["floor"], 1
            ),
        }
        for store in STORES
        for count in COUNTS
    ]
    few, many = COUNTS[0], COUNTS[-1]
    flat = [
        Check(
            f"{store}: {action} at {many:,} versions, times at {few}",
            round(
                medians_ms[f"{store} {action} {many}"] / medians_ms[f"{store} {action} {few}"], 2
            ),
            FLAT_LIMIT,
        )
        for store in STORES
        for action in ("log", "resolve")
    ]
    near_floor = Check(
        f"local disk: log at {many:,} versions, times the floor",
        round(medians_ms[f"local disk log {many}"] / medians_ms["floor"], 1),
        FLOOR_LIMIT,
    )
    return Result(
        name="store",
        title="Recording and finding versions",
        setting=f"Median of {ROUNDS} turns. The floor is one durable file on the local disk: "
        f"written, synced, linked, its folder synced: {medians_ms['floor']:.2f} ms.",
        rows=rows,
        checks=[*flat, near_floor],
    )


if __name__ == "__main__":
    main()
