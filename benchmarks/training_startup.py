"""How long a packaged training recipe runs before it imports its framework."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.support.harness import Check, Result, median_ms, publish, wall_times_s
from nemo_runspec.packaging import package_script

RECIPES = Path(__file__).parents[1] / "recipes" / "nano3"
SCRIPTS = {"pretrain": "stage0_pretrain/train.py", "sft": "stage1_sft/train.py"}
ROUNDS = 15
# As for every recipe in one file, and for a dry run of the command: see "A recipe in one file" and
# "Start-up of the command". A job may start no slower than it is checked.
PACKAGED_LIMIT = 1.3
START_LIMIT = 40.0
BASELINE = "python -c pass"
# Stands where the framework would be: the import is as far as this goes.
FRAMEWORK = "raise SystemExit(0)\n"
CONFIG = """
run: {data: null, model: null}
artifacts: {manifest: {root: store}}
recipe: {_target_: megatron.bridge.recipes.nemotronh.any}
"""


def main() -> None:
    """Package both recipes, then start them in turns."""
    # Where a shell forbids bytecode, every start would compile the package anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        bridge = place / "frameworks" / "megatron" / "bridge"
        bridge.mkdir(parents=True)
        (bridge / "__init__.py").write_text(FRAMEWORK, "utf-8")
        os.environ["PYTHONPATH"] = str(place / "frameworks")
        (place / "config.yaml").write_text(CONFIG, "utf-8")
        commands = {BASELINE: [sys.executable, "-c", "pass"]}
        for name, script in SCRIPTS.items():
            packaged = package_script(RECIPES / script, place / name).main
            commands[f"{name}, packaged"] = started(packaged)
            commands[f"{name}, installed"] = started(RECIPES / script)
        times = wall_times_s(commands, rounds=ROUNDS, cwd=place)
    publish(result({label: median_ms(values) for label, values in times.items()}))


def result(medians: dict[str, float]) -> Result:
    """Compare with the bare interpreter, and one file with the installed package."""
    ratios = {label: round(value / medians[BASELINE], 1) for label, value in medians.items()}
    checks = []
    for name in SCRIPTS:
        packaged, installed = (f"{name}, {how}" for how in ("packaged", "installed"))
        both = round(medians[packaged] / medians[installed], 2)
        checks += [
            Check(f"{packaged}, times `{BASELINE}`", ratios[packaged], START_LIMIT),
            Check(f"{packaged}, times the installed", both, PACKAGED_LIMIT),
        ]
    return Result(
        name="training_startup",
        title="A training recipe up to its framework",
        setting=f"Median wall time of {ROUNDS} turns: tracking is set up with a store, and the "
        "process ends where Megatron-Bridge is imported. Warm file cache and bytecode.",
        rows=[
            {
                "start": f"`{label}`" if label == BASELINE else label,
                "wall_ms": value,
                "times the bare interpreter": ratios[label],
            }
            for label, value in medians.items()
        ],
        checks=checks,
    )


def started(script: Path) -> list[str]:
    """The command that starts a script."""
    return [sys.executable, str(script), "--config", "config.yaml"]


if __name__ == "__main__":
    main()
