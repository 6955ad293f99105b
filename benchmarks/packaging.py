"""What packaging a recipe takes, and what starting from one file costs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.support.harness import Check, Result, median_ms, publish, wall_times_s
from nemo_runspec.packaging import package_script

RECIPES = Path(__file__).parents[1] / "recipes"
ROUNDS = 15
PACKAGING_LIMIT_MS = 100.0
START_LIMIT = 1.3
INSTALLED = "installed"
FIRST, LATER = "`main.py` for the first time", "`main.py` again"
CONFIG = Path("config", "data_prep", "sample.yaml")
IMPORTS = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='imported')"


def main() -> None:
    """Package every recipe once to find the largest, then that one in turns."""
    # Where a shell forbids bytecode, the installed package would be compiled at every start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        sizes = {script: packaged(script, place / "all").stat().st_size for script in scripts()}
        largest = max(sizes, key=lambda script: sizes[script])
        times = [seconds_to_package(largest, place / "turns") for _ in range(ROUNDS + 1)]
        starts = start_times_ms(largest, place)
    publish(result(largest, sizes[largest], median_ms(times[1:]), starts))


def scripts() -> list[Path]:
    """Find every script with a runspec that prepares data, which starts without a framework."""
    return sorted(RECIPES.glob("*/*/data_prep.py"))


def packaged(script: Path, output: Path) -> Path:
    """Package a script into a fresh folder, and return its ``main.py``."""
    shutil.rmtree(output, ignore_errors=True)
    return package_script(script, output, config=script.parent / CONFIG).main


def seconds_to_package(script: Path, output: Path) -> float:
    """How long packaging takes where nothing is there yet."""
    shutil.rmtree(output, ignore_errors=True)
    start = time.perf_counter()
    package_script(script, output, config=script.parent / CONFIG)
    return time.perf_counter() - start


def start_times_ms(script: Path, place: Path) -> dict[str, dict[str, float]]:
    """Start the script and its ``main.py`` in turns: imports alone, and a dry run."""
    new = packaged(script, place / "new")
    known = packaged(script, place / "known")
    dry_run = ("--config", "config.yaml", "--dry-run")
    # A start that writes no bytecode is the first one every time.
    forms = {
        INSTALLED: ((sys.executable,), script),
        FIRST: ((sys.executable, "-B"), new),
        LATER: ((sys.executable,), known),
    }
    # The dry runs leave the bytecode that the imports then find.
    commands = {
        "dry run": {form: (*how, str(what), *dry_run) for form, (how, what) in forms.items()},
        "imports": {form: (*how, "-c", IMPORTS, str(what)) for form, (how, what) in forms.items()},
    }
    return {
        what: {
            form: median_ms(times)
            for form, times in wall_times_s(by_form, rounds=ROUNDS, cwd=known.parent).items()
        }
        for what, by_form in commands.items()
    }


def result(
    script: Path, size: int, packaging_ms: float, starts: dict[str, dict[str, float]]
) -> Result:
    """Compare with the installed package, and with the promises."""
    name = script.relative_to(RECIPES.parent).as_posix()
    ratios = {
        (what, form): round(ms[form] / ms[INSTALLED], 2)
        for what, ms in starts.items()
        for form in ms
    }
    rows: list[dict[str, str | float]] = [
        {"what": "packaging", "wall_ms": packaging_ms, "times the installed": ""}
    ]
    rows += [
        {
            "what": f"{what}, {form}",
            "wall_ms": starts[what][form],
            "times the installed": ratio,
        }
        for (what, form), ratio in ratios.items()
    ]
    return Result(
        name="packaging",
        title="A recipe in one file",
        setting=f"`{name}`, the recipe whose `main.py` is the largest: {size:,} bytes. Medians of "
        f"{ROUNDS} turns, warm file cache. The installed package has its bytecode; the first "
        "start of a `main.py` compiles what it uses, later ones find that done.",
        rows=rows,
        checks=[
            Check("packaging, milliseconds once imported", packaging_ms, PACKAGING_LIMIT_MS),
            *(
                Check(f"{what}, {form}, times the installed", ratio, START_LIMIT)
                for (what, form), ratio in ratios.items()
                if form != INSTALLED
            ),
        ],
    )


if __name__ == "__main__":
    main()
