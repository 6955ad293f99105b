"""How long the command takes to answer, beside an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.support.harness import Check, Result, median_ms, publish, wall_times_s

ROUNDS = 15
NEMOTRON = str(Path(sys.executable).with_name("nemotron"))
LIMITS = {
    "nemotron --help": 8.0,
    "nemotron nano3 --help": 8.0,
    "nemotron nano3 sft -c sample --dry-run": 40.0,
}
BASELINE = "python -c pass"


def main() -> None:
    """Prepare the sample once, then take turns."""
    commands = {BASELINE: [sys.executable, "-c", "pass"]}
    commands |= {text: [NEMOTRON, *text.split()[1:]] for text in LIMITS}
    with tempfile.TemporaryDirectory() as folder:
        prepare = [NEMOTRON, "nano3", "data", "prep", "sft", "-c", "sample"]
        subprocess.run(prepare, cwd=folder, check=True, capture_output=True)
        times = wall_times_s(commands, rounds=ROUNDS, cwd=Path(folder))
    medians = {label: median_ms(values) for label, values in times.items()}
    ratios = {label: round(value / medians[BASELINE], 1) for label, value in medians.items()}
    publish(
        Result(
            name="startup",
            title="Start-up of the command",
            setting=f"Median wall time of {ROUNDS} turns, warm file cache and bytecode, in a "
            "folder where the sample data was prepared.",
            rows=[
                {
                    "command": f"`{label}`",
                    "wall_ms": value,
                    "times the bare interpreter": ratios[label],
                }
                for label, value in medians.items()
            ],
            checks=[
                Check(f"`{text}`, times `{BASELINE}`", ratios[text], limit)
                for text, limit in LIMITS.items()
            ],
        )
    )


if __name__ == "__main__":
    main()
