"""Why modules are not pasted: every program shows something that this breaks, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging_lab.naive import paste
from packaging_lab.outcomes import run
from packaging_lab.places import Places
from packaging_lab.programs import PROGRAMS, Program

OLDEST = "3.11"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_pasting_a_program_changes_it_unless_it_says_otherwise(
    program: Program, places: Places, tmp_path: Path
) -> None:
    place = places.at(OLDEST)
    script = program.copy_script(tmp_path / "installed")
    pasted = tmp_path / "pasted" / script.name
    pasted.parent.mkdir()
    pasted.write_text(paste(program.script, program.modules), encoding="utf-8")
    expected = run([place.installed, script.name], program.files, cwd=script.parent)
    found = run([place.bare, pasted.name], program.files, cwd=pasted.parent)
    same = found.without_stderr == expected.without_stderr
    assert same == program.survives_pasting, f"{expected}\n{found}"
