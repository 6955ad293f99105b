"""What a version costs to record and to find, however many there are."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.support.harness import Cell, Check, Result, publish, take_turns
from nemo_runspec.artifacts import Lineage, ModelArtifact
from nemo_runspec.manifest_tracker import ManifestTracker

COUNTS = (1, 1_000, 10_000)
ROUNDS = 60
FLAT_LIMIT = 1.5
FLOOR_LIMIT = 8.0
ARTIFACT = ModelArtifact(path=Path("/checkpoints"), step=1)


def main() -> None:
    """Take turns between the stores and the floor, so that all meet the same disk."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        root = Path(folder)
        tracker = ManifestTracker(root)
        for count in COUNTS:
            lay_versions_down(tracker, root, count)
        work: dict[str, Callable[[], object]] = {"floor": lambda: link_a_durable_file(root)}
        for count in COUNTS:
            work[f"log {count}"] = lambda name=f"n{count}": log(tracker, name)  # type: ignore[misc]
            work[f"resolve {count}"] = lambda name=f"n{count}": tracker.resolve(name)  # type: ignore[misc]
        medians_ms = take_turns(work, rounds=ROUNDS)
    publish(result(medians_ms))


def lay_versions_down(tracker: ManifestTracker, root: Path, count: int) -> None:
    """Write a name's versions as files, and the hint that their writers would have left."""
    name = f"n{count}"
    log(tracker, name)
    document = json.loads((root / name / "v1" / "manifest.json").read_bytes())
    for version in range(2, count + 1):
        folder = root / name / f"v{version}"
        folder.mkdir()
        (folder / "manifest.json").write_text(json.dumps(document | {"version": version}))
    (root / name / "latest").write_text(f"v{count}")


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
            "versions": f"{count:,}",
            "log_ms": round(medians_ms[f"log {count}"], 2),
            "resolve_ms": round(medians_ms[f"resolve {count}"], 2),
            "log, times the floor": round(medians_ms[f"log {count}"] / medians_ms["floor"], 1),
        }
        for count in COUNTS
    ]
    few, many = COUNTS[0], COUNTS[-1]
    return Result(
        name="store",
        title="Recording and finding versions",
        setting=f"Median of {ROUNDS} turns on a local disk. The floor is one durable file: "
        f"written, synced, linked, its folder synced: {medians_ms['floor']:.2f} ms.",
        rows=rows,
        checks=[
            Check(
                f"{action} at {many:,} versions, times at {few}",
                round(medians_ms[f"{action} {many}"] / medians_ms[f"{action} {few}"], 2),
                FLAT_LIMIT,
            )
            for action in ("log", "resolve")
        ]
        + [
            Check(
                f"log at {many:,} versions, times the floor",
                round(medians_ms[f"log {many}"] / medians_ms["floor"], 1),
                FLOOR_LIMIT,
            )
        ],
    )


if __name__ == "__main__":
    main()
