"""What benchmark scripts share: turns of processes, and results that make one page."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

Cell = str | int | float


@dataclass(frozen=True)
class Check:
    """A promise: what was measured must not exceed its limit."""

    promise: str
    measured: float
    limit: float

    @property
    def kept(self) -> bool:
        """Whether the promise holds."""
        return self.measured <= self.limit


@dataclass(frozen=True)
class Result:
    """One benchmark's section of the page.

    Attributes:
        name: The script's name, which orders the page.
        title: The section's heading.
        setting: One or two sentences: input, repeats, what is compared.
        rows: One mapping of column name to cell for each row, with the same columns in each.
        checks: The promises that these numbers must keep.
    """

    name: str
    title: str
    setting: str
    rows: Sequence[Mapping[str, Cell]]
    checks: Sequence[Check] = ()


def wall_times_s(
    commands: Mapping[str, Sequence[str]], *, rounds: int, cwd: Path
) -> dict[str, list[float]]:
    """Run the commands in turns, so that all meet the same state of the machine.

    Args:
        commands: Label to argument vector.
        rounds: Turns that count; one more comes first, to warm the file cache and bytecode.
        cwd: The folder to run in.

    Returns:
        Label to the wall times of its turns.
    """
    times: dict[str, list[float]] = {label: [] for label in commands}
    for turn in range(rounds + 1):
        for label, command in commands.items():
            elapsed = _wall_time_s(command, cwd)
            if turn:
                times[label].append(elapsed)
    return times


def _wall_time_s(command: Sequence[str], cwd: Path) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    elapsed = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return elapsed


def take_turns(work: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Do pieces of work in turns, so that all meet the same state of the machine.

    Args:
        work: Label to what is done.
        rounds: How often each is done.

    Returns:
        Label to the median in milliseconds.
    """
    times: dict[str, list[float]] = {label: [] for label in work}
    for _ in range(rounds):
        for label, call in work.items():
            start = time.perf_counter()
            call()
            times[label].append((time.perf_counter() - start) * 1000)
    return {label: statistics.median(values) for label, values in times.items()}


def median_ms(times_s: Sequence[float]) -> float:
    """Return the median in milliseconds, to a tenth."""
    return round(statistics.median(times_s) * 1000, 1)


def publish(result: Result) -> None:
    """Print a result, and leave it where the page is made when the session asks for it."""
    print(f"{result.title}: {result.setting}")
    for row in result.rows:
        print("  " + "  ".join(f"{column}={cell}" for column, cell in row.items()))
    for check in result.checks:
        verdict = "kept" if check.kept else "MISSED"
        print(f"  {verdict}: {check.promise} ({check.measured:g}, limit {check.limit:g})")
    folder = os.environ.get("BENCH_RESULTS")
    if folder:
        Path(folder, f"{result.name}.json").write_text(json.dumps(asdict(result)), encoding="utf-8")
