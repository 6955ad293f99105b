"""The debugger finds its way in a packaged job as it does in an installed one."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging_lab.jobs import package
from packaging_lab.outcomes import comparable, plain_environment
from packaging_lab.places import PYTHONS, Places
from packaging_lab.programs import JOB

ROOT = Path(__file__).parents[2]
CARGO = JOB.source / "voyage" / "cargo.py"
COUNTED = "    _loaded += 1"


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(JOB.script, JOB.source, JOB.packages, tmp_path_factory.mktemp("job") / "job")


def debug(command: Sequence[str | Path], said: Sequence[str], cwd: Path, **variables: str) -> str:
    """Say something to a debugger, and return what it answers."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**plain_environment(), **variables},
        input="\n".join([*said, "q", ""]),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def line_number(file: Path, line: str) -> int:
    return file.read_text(encoding="utf-8").splitlines().index(line) + 1


@pytest.mark.parametrize("python", PYTHONS)
def test_breakpoints_are_set_by_the_original_path(main: Path, places: Places, python: str) -> None:
    number = line_number(CARGO, COUNTED)
    said = (f"b {CARGO}:{number}", "c", "p crate.weight * 111", "up", "p _rest", "c")
    command = (places.at(python).bare, "-m", "pdb", "main.py", "everything")
    shown = debug(command, said, main.parent, NEMOTRON_SOURCE_ROOT=str(ROOT))
    assert f"Breakpoint 1 at {CARGO}:{number}" in shown
    assert f"> {CARGO}({number})load()\n-> {COUNTED.strip()}" in shown
    assert "(Pdb) 222" in shown
    assert f"> {JOB.source / 'voyage' / 'crew.py'}(" in shown
    assert "The program finished" in shown


def test_where_code_stops_itself_all_is_shown_as_installed(
    main: Path, places: Places, tmp_path: Path
) -> None:
    place = places.at("3.11")
    script = JOB.copy_script(tmp_path / "installed")
    said = ("w", "p crate", "l", "b load", "c", "w", "a", "s", "s", "c")
    expected = debug((place.installed, script.name, "stop"), said, script.parent)
    found = debug((place.bare, main.name, "stop"), said, main.parent)
    assert "-> _loaded += 1" in expected
    assert lines(found) == lines(expected)


def lines(shown: str) -> list[str]:
    """Leave out the frame of ``main.py`` itself."""
    kept = [line for line in shown.splitlines() if "main.py(" not in line]
    return comparable("\n".join(kept).replace("(Pdb)   ", "  "), JOB.files).splitlines()
