"""A packaged program does what it does installed: output, errors, tracebacks and exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging_lab.jobs import package
from packaging_lab.outcomes import run
from packaging_lab.places import PYTHONS, Places
from packaging_lab.programs import PROGRAMS, Program


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_does_the_same_installed_and_packaged(
    program: Program, places: Places, tmp_path: Path
) -> None:
    script = program.copy_script(tmp_path / "installed")
    main = package(program.script, program.source, program.packages, tmp_path / "packaged")
    for python in PYTHONS:
        place = places.at(python)
        expected = run([place.installed, script.name], program.files, cwd=script.parent)
        found = run([place.bare, main.name], program.files, cwd=main.parent)
        assert found == expected, python
    # Now its bytecode is there.
    assert run([place.bare, main.name], program.files, cwd=main.parent) == expected
