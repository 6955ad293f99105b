"""A packaged job is started in every way that an installed one is, and does the same."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging_lab.jobs import package
from packaging_lab.outcomes import Outcome, run
from packaging_lab.places import PYTHONS, Place, Places
from packaging_lab.programs import JOB, PROGRAMS

OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]
PROCESSES = ("processes", "spawn", "forkserver", "fork")
TWICE = """
import runpy, sys
del sys.argv[0]
first = runpy.run_path(sys.argv[0], run_name="__main__")
importers = len(sys.meta_path), len(sys.path_hooks)
second = runpy.run_path(sys.argv[0], run_name="__main__")
print(first["crew"] is second["crew"], sys.modules["voyage.cargo"].loaded())
print((len(sys.meta_path), len(sys.path_hooks)) == importers)
"""
OTHERS = """
import runpy, sys
for script in sys.argv[1:]:
    runpy.run_path(script, run_name="__main__")
print(sorted(sys.modules.keys() & {"tree.root", "counters.reader"}))
"""


@dataclass(frozen=True)
class Job:
    """The job in both forms.

    Attributes:
        script: Beside its module, without its package.
        main: What packaging made.
    """

    script: Path
    main: Path

    def installed(self, place: Place, words: Sequence[str], *options: str, **env: str) -> Outcome:
        command = [place.installed, *options, self.script.name, *words]
        return run(command, JOB.files, cwd=self.script.parent, environment=env)

    def packaged(self, place: Place, words: Sequence[str], *options: str, **env: str) -> Outcome:
        command = [place.bare, *options, self.main.name, *words]
        return run(command, JOB.files, cwd=self.main.parent, environment=env)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("job")
    script = JOB.copy_script(folder / "installed")
    return Job(script, package(JOB.script, JOB.source, JOB.packages, folder / "packaged"))


def succeeded(outcome: Outcome) -> str:
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr == ""
    return outcome.stdout


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    "words", [("everything", "--config", "x.yaml", "a.b=1"), PROCESSES, ("warn",), ("fail",)]
)
def test_on_every_python(job: Job, places: Places, python: str, words: Sequence[str]) -> None:
    place = places.at(python)
    expected = job.installed(place, words)
    assert expected.code == (words == ("fail",))
    assert job.packaged(place, words) == expected


@pytest.mark.parametrize(
    "options", [("-O",), ("-OO",), ("-W", "error"), ("-X", "dev"), ("-s", "-B")]
)
@pytest.mark.parametrize("words", [("everything",), ("processes", "spawn"), ("warn",)])
def test_with_options_of_the_interpreter(
    job: Job, places: Places, options: Sequence[str], words: Sequence[str]
) -> None:
    place = places.at(NEWEST)
    expected = job.installed(place, words, *options)
    assert expected.code == (words == ("warn",) and options == ("-W", "error"))
    assert job.packaged(place, words, *options) == expected


@pytest.mark.parametrize("words", [("everything",), PROCESSES])
def test_isolated_from_its_own_folder(job: Job, places: Places, words: Sequence[str]) -> None:
    place = places.at(OLDEST)
    expected = job.installed(place, words)
    assert job.packaged(place, words, "-I") == expected
    assert job.packaged(place, words, PYTHONSAFEPATH="1") == expected
    assert succeeded(expected)


def test_with_every_warning_an_error_it_starts_on_every_python(job: Job, places: Places) -> None:
    for python in PYTHONS:
        place = places.at(python)
        for words in (("everything",), ("processes", "spawn", "forkserver")):
            found = job.packaged(place, words, "-W", "error", PYTHONWARNINGS="error")
            assert succeeded(found) == succeeded(job.installed(place, words))


def test_from_another_folder_and_through_a_link(job: Job, places: Places, tmp_path: Path) -> None:
    place = places.at(OLDEST)
    expected = succeeded(job.installed(place, PROCESSES))
    link = tmp_path / "linked.py"
    link.symlink_to(job.main)
    for started in (job.main, link, os.path.relpath(job.main, tmp_path)):
        assert (
            succeeded(run([place.bare, started, *PROCESSES], JOB.files, cwd=tmp_path)) == expected
        )


def test_from_a_folder_that_nothing_can_be_written_to(
    job: Job, places: Places, tmp_path: Path
) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    shutil.copy(job.main, folder)
    # Permissions do not keep root from writing, and this does.
    (folder / "__pycache__").touch()
    folder.chmod(0o555)
    for _ in range(2):
        found = run([places.at(OLDEST).bare, "main.py", *PROCESSES], JOB.files, cwd=folder)
        assert succeeded(found) == succeeded(job.installed(places.at(OLDEST), PROCESSES))
    folder.chmod(0o755)
    assert sorted(item.name for item in folder.iterdir()) == ["__pycache__", "main.py"]


def test_what_a_start_leaves_behind_is_bytecode_and_only_where_python_would_leave_it(
    job: Job, places: Places, tmp_path: Path
) -> None:
    main = shutil.copy(job.main, tmp_path)
    started = ([places.at(OLDEST).bare, main, "everything"], JOB.files)
    first = succeeded(run(*started, cwd=tmp_path, environment={"PYTHONDONTWRITEBYTECODE": "1"}))
    assert [item.name for item in tmp_path.iterdir()] == ["main.py"]
    elsewhere = {"PYTHONPYCACHEPREFIX": str(tmp_path / "prefix")}
    assert succeeded(run(*started, cwd=tmp_path, environment=elsewhere)) == first
    assert not (tmp_path / "__pycache__").exists()
    assert succeeded(run(*started, cwd=tmp_path)) == first
    (kept,) = (tmp_path / "__pycache__").iterdir()
    assert kept.suffix == ".pyc"


@pytest.mark.parametrize("damage", ["cut short", "emptied", "overwritten"])
def test_bytecode_that_was_damaged_is_made_again(
    job: Job, places: Places, tmp_path: Path, damage: str
) -> None:
    main = shutil.copy(job.main, tmp_path)
    started = ([places.at(OLDEST).bare, main, "everything"], JOB.files)
    first = succeeded(run(*started, cwd=tmp_path))
    (kept,) = (tmp_path / "__pycache__").iterdir()
    whole = kept.read_bytes()
    changed = {"cut short": whole[:-20], "emptied": b"", "overwritten": b"x" * len(whole)}
    kept.write_bytes(changed[damage])
    assert succeeded(run(*started, cwd=tmp_path)) == first
    assert kept.read_bytes() == whole


def test_a_text_that_was_changed_by_hand_is_what_runs(
    job: Job, places: Places, tmp_path: Path
) -> None:
    main = Path(shutil.copy(job.main, tmp_path))
    started = ([places.at(OLDEST).bare, main, "everything"], JOB.files)
    first = succeeded(run(*started, cwd=tmp_path))
    text = main.read_text(encoding="utf-8")
    main.write_text(text.replace("crate.weight * 10", "crate.weight * 77"), encoding="utf-8")
    found = succeeded(run(*started, cwd=tmp_path))
    assert found == first.replace("weight=20", "weight=154") != first


def test_objects_go_from_one_process_to_another(job: Job, places: Places, tmp_path: Path) -> None:
    place = places.at(OLDEST)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(job.main.parent, elsewhere)
    box = str(tmp_path / "box")
    succeeded(job.installed(place, ("send", box)))
    expected = succeeded(job.installed(place, ("receive", box)))
    # What an installed job left is taken by a packaged one, and the other way round.
    assert succeeded(job.packaged(place, ("receive", box))) == expected
    succeeded(run([place.bare, elsewhere / "main.py", "send", box], JOB.files, cwd=tmp_path))
    assert succeeded(job.packaged(place, ("receive", box))) == expected
    assert succeeded(job.installed(place, ("receive", box))) == expected


def test_two_starts_in_one_process_share_their_modules(job: Job, places: Places) -> None:
    command = [places.at(OLDEST).bare, "-c", TWICE, str(job.main), "everything"]
    first, second, *facts = succeeded(run(command, JOB.files, cwd=job.main.parent)).splitlines()
    assert first == second
    assert facts == ["True 2", "True"]


def test_two_jobs_in_one_process_have_modules_of_their_own(places: Places, tmp_path: Path) -> None:
    chosen = [
        program for program in PROGRAMS if program.name in {"relative_imports", "module_globals"}
    ]
    mains = [
        package(program.script, program.source, program.packages, tmp_path / program.name)
        for program in chosen
    ]
    command = [places.at(OLDEST).bare, "-c", OTHERS, *mains]
    files = [file for program in chosen for file in program.files]
    lines = succeeded(run(command, files, cwd=tmp_path)).splitlines()
    assert lines[0] == "0 100 2 2 0"
    assert lines[1].startswith("['leaf', 'branch', 'fruit'")
    assert lines[2] == "['counters.reader', 'tree.root']"


def test_what_is_inside_is_taken_before_what_is_installed(
    job: Job, places: Places, tmp_path: Path
) -> None:
    text = job.main.read_text(encoding="utf-8").replace("crate.weight * 10", "crate.weight * 77")
    (tmp_path / "main.py").write_text(text, encoding="utf-8")
    place = places.at(OLDEST)
    words = ("processes", "spawn", "fork")
    expected = succeeded(job.installed(place, words))
    found = run([place.installed, "main.py", *words], JOB.files, cwd=tmp_path)
    assert "weight=20" in expected
    assert succeeded(found).count("weight=154") == expected.count("weight=20")


def test_an_interrupt_ends_it_as_python_ends(job: Job, places: Places) -> None:
    place = places.at(OLDEST)
    expected = job.installed(place, ("interrupt",))
    assert (expected.code, expected.stdout) == (-2, "")
    assert job.packaged(place, ("interrupt",)) == expected


def test_as_a_module_it_does_not_start(job: Job, places: Places) -> None:
    look = "import main; print(main.weigh(main.crew.Crate(1)), main.__name__, main.__doc__[:5])"
    found = run([places.at(OLDEST).bare, "-c", look], JOB.files, cwd=job.main.parent)
    assert succeeded(found) == "1 in main main A job\n"


@pytest.mark.parametrize("python", PYTHONS)
def test_under_a_profiler(job: Job, places: Places, python: str) -> None:
    place = places.at(python)
    options = ("-m", "cProfile", "-s", "name")
    expected = job.installed(place, ("everything",), *options)
    found = job.packaged(place, ("everything",), *options)
    assert found.stdout.splitlines()[0] == expected.stdout.splitlines()[0]
    (line,) = re.findall(r" cargo\.py:\d+\(load\)", expected.stdout)
    assert line in found.stdout
