"""What a lineage costs in a store of many versions, once it was read."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.support.harness import Check, Result, publish
from nemo_runspec.artifacts import Lineage, ModelArtifact
from nemo_runspec.lineage import lineage_graph
from nemo_runspec.manifest_tracker import ManifestTracker

NAMES, VERSIONS = 100, 100
ROUNDS = 9
LIMIT_S = 1.0
FLOOR_LIMIT = 40.0
START = f"n{NAMES // 2}:v{VERSIONS // 2}"
NEMOTRON = str(Path(sys.executable).with_name("nemotron"))


def main() -> None:
    """Read the store once, then take turns between the floor, the library and the command."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        root, cache = Path(folder, "store"), Path(folder, "cache")
        tracker = ManifestTracker(root)
        lay_the_web_down(tracker, root)
        os.environ["NEMOTRON_CACHE_DIR"] = str(cache)
        first_s = seconds(lambda: lineage_graph(tracker, START))
        (copy,) = (cache / "lineage").iterdir()
        document = copy.read_bytes().partition(b"\n")[2]
        command = [NEMOTRON, "artifacts", "lineage", START, "--root", str(root), "--quiet"]
        work: dict[str, Callable[[], object]] = {
            "floor": lambda: json.loads(document),
            "both ways": lambda: lineage_graph(tracker, START),
            "the command": lambda: subprocess.run(command, check=True, capture_output=True),
        }
        times: dict[str, list[float]] = {label: [] for label in work}
        for _ in range(ROUNDS):
            for label, call in work.items():
                times[label].append(seconds(call))
        size_mb = len(document) / 1e6
    medians = {label: statistics.median(values) for label, values in times.items()}
    publish(result(medians, first_s, size_mb))


def lay_the_web_down(tracker: ManifestTracker, root: Path) -> None:
    """Write versions that are made from the one before and from one of the name before.

    Half of all versions lead to or come from the one that is asked for.
    """
    seed = tracker.log(ModelArtifact(path=root, step=1), name="seed", lineage=Lineage())
    document = json.loads(Path(seed.manifest_path or "").read_bytes())
    for number in range(NAMES):
        for version in range(1, VERSIONS + 1):
            used = [f"n{number}:v{version - 1}"] if version > 1 else []
            used += [f"n{number - 1}:v{version}"] if number else []
            changes = {"name": f"n{number}", "version": version, "used_artifacts": used}
            folder = root / f"n{number}" / f"v{version}"
            folder.mkdir(parents=True)
            (folder / "manifest.json").write_text(json.dumps(document | changes))
        (root / f"n{number}" / "latest").write_text(f"v{VERSIONS}")


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def result(medians_s: dict[str, float], first_s: float, size_mb: float) -> Result:
    """Compare with parsing the copy, and with the promise."""
    floor = medians_s["floor"]
    measured = {"first read, both ways": first_s, **medians_s}
    del measured["floor"]
    count = NAMES * VERSIONS
    return Result(
        name="lineage",
        title="Lineage of a large store",
        setting=f"{count:,} versions of {NAMES} names on a local disk, half of them in the answer; "
        f"median of {ROUNDS} turns after the first read. The floor is parsing a JSON document of "
        f"the size of the copy, {size_mb:.1f} MB: {floor * 1000:.0f} ms.",
        rows=[
            {
                "lineage": label,
                "wall_ms": round(value * 1000),
                "times the floor": round(value / floor, 1),
            }
            for label, value in measured.items()
        ],
        checks=[
            Check(f"{label}, seconds at {count:,} versions", round(medians_s[label], 2), LIMIT_S)
            for label in ("both ways", "the command")
        ]
        + [
            Check(
                "both ways, times the floor", round(medians_s["both ways"] / floor, 1), FLOOR_LIMIT
            )
        ],
    )


if __name__ == "__main__":
    main()
