"""Packagers by name, without NeMo-Run; what is compared with it has a session of its own."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from nemo_runspec.errors import MissingDependencyError, PackagingError
from nemo_runspec.packaging.archives import (
    GitArchivePackager,
    HybridPackager,
    NoPackager,
    Packager,
    PatternPackager,
    make_packager,
)
from nemo_runspec.packaging.archives.naming import PACKAGERS
from nemo_runspec.packaging.code import CodePackager
from nemo_runspec.runspec import model


def repository(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        command = ["git", "-C", str(folder), *identity, *words]
        subprocess.run(command, check=True, capture_output=True, timeout=200)
    return folder


def names_in(archive: str | None) -> list[str]:
    assert archive is not None
    with tarfile.open(archive) as opened:
        return opened.getnames()


def test_every_name_of_a_recipe_header_is_a_packager() -> None:
    assert set(get_args(model.Packager)) < set(PACKAGERS)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("code", {"exclude": ["*.md"]}, CodePackager(exclude=("*.md",))),
        ("code", {"script": "a.py", "config": None}, CodePackager(script=Path("a.py"))),
        ("git_archive", None, GitArchivePackager()),
        ("git_archive", {"ref": "v1", "subpath": "a"}, GitArchivePackager(ref="v1", subpath="a")),
        (
            "pattern",
            {"include_pattern": ["a"], "relative_path": "b"},
            PatternPackager(include_pattern=("a",), relative_path="b"),
        ),
        (
            "hybrid",
            {"sub_packagers": {"x": "none", "y": {"name": "code"}, "z": NoPackager()}},
            HybridPackager(
                sub_packagers={"x": NoPackager(), "y": CodePackager(), "z": NoPackager()}
            ),
        ),
        ("none", {}, NoPackager()),
    ],
)
def test_a_packager_is_made_from_plain_values(
    name: str, options: dict[str, Any] | None, expected: Packager
) -> None:
    made = make_packager(name, options)
    assert made == expected
    assert isinstance(made, Packager)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cod", {}, r"There is no packager 'cod'\. Did you mean 'code'\?"),
        ("code", {"exlude": []}, r"code packager has no option 'exlude'\. Did you mean 'exclude'"),
        ("none", {"ref": "HEAD"}, r"none packager has no option 'ref'\. It has none"),
        ("pattern", {"include_pattern": "a"}, "pattern packager needs the option 'relative_path'"),
        (
            "code",
            {"exclude": "*.md"},
            r"'exclude' of the code packager is '\*\.md'.*a list of texts",
        ),
        ("code", {"exclude": [1]}, r"'exclude' of the code packager is \[1\]"),
        ("code", {"warn_above_bytes": True}, "is True.*a whole number"),
        ("code", {"warn_above_bytes": "1"}, "is '1'.*a whole number"),
        ("git_archive", {"ref": 1}, "'ref' of the git_archive packager is 1.*a text"),
        ("git_archive", {"include_submodules": 1}, "is 1.*true or false"),
        ("hybrid", {"sub_packagers": {"x": {}}}, "packager of the folder 'x' has no name"),
        ("hybrid", {"sub_packagers": {"x": "y"}}, "There is no packager 'y'"),
        ("hybrid", {"sub_packagers": ["code"]}, "'sub_packagers' of the hybrid packager is"),
    ],
)
def test_what_is_wrong_is_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PackagingError, match=message):
        make_packager(name, options)


def test_only_commits_need_a_repository(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    assert names_in(CodePackager().package(tmp_path, tmp_path / "out", "x")) == ["code/a.py"]
    pattern = PatternPackager(include_pattern=str(tmp_path / "*.py"), relative_path=str(tmp_path))
    assert names_in(pattern.package(tmp_path, tmp_path / "out", "y")) == ["a.py"]
    with pytest.raises(
        PackagingError, match="sends a commit, and this folder is in no git"
    ) as caught:
        GitArchivePackager().package(tmp_path, tmp_path / "out", "z")
    assert "Use the code packager" in str(caught.value.hint)


def test_archives_of_commits_and_combinations_depend_on_content_alone(tmp_path: Path) -> None:
    top = repository(tmp_path / "code", "a.py", "sub/b.py")
    written = []
    for number in range(2):
        made = make_packager(
            "hybrid", {"sub_packagers": {"git": "git_archive", "code": "code", "none": "none"}}
        )
        archive = made.package(top / "sub", tmp_path / str(number), "x")
        assert names_in(archive) == [
            "code/code/a.py",
            "code/code/sub/b.py",
            "git/a.py",
            "git/sub/b.py",
        ]
        written.append(Path(str(archive)).read_bytes())
        (top / "a.py").touch()
    assert written[0] == written[1]


def test_files_that_were_committed_with_credentials_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    top = repository(tmp_path / "code", "a.py", "certs/ca.pem")
    assert "certs/ca.pem" in names_in(GitArchivePackager().package(top, tmp_path, "x"))
    assert "certs/ca.pem may hold credentials" in caplog.text


def test_a_pattern_needs_its_folder_and_files(tmp_path: Path) -> None:
    missing = PatternPackager(include_pattern="*.py", relative_path=str(tmp_path / "gone"))
    with pytest.raises(PackagingError, match="folder of a pattern does not exist"):
        missing.package(tmp_path, tmp_path, "x")
    empty = PatternPackager(include_pattern=str(tmp_path / "*.py"), relative_path=str(tmp_path))
    with pytest.raises(PackagingError, match=r"No file matches the pattern '.*\*\.py'"):
        empty.package(tmp_path, tmp_path, "x")
    two = PatternPackager(include_pattern=("a", "b"), relative_path=(".",))
    with pytest.raises(
        PackagingError, match="'include_pattern' has 2 entries and 'relative_path' 1"
    ):
        two.package(tmp_path, tmp_path, "x")
    assert not list(tmp_path.iterdir())


def test_a_self_contained_recipe_is_an_archive_too(tmp_path: Path) -> None:
    (tmp_path / "recipe.py").write_text("import helper\nprint(helper.WORD)\n")
    (tmp_path / "helper.py").write_text("WORD = 'helped'\n")
    made = make_packager("self_contained", {"script": str(tmp_path / "recipe.py")})
    archive = made.package(tmp_path, tmp_path / "out", "x")
    assert names_in(archive) == ["main.py"]
    with tarfile.open(str(archive)) as opened:
        content = opened.extractfile("main.py")
        assert content is not None
        (tmp_path / "out" / "main.py").write_bytes(content.read())
    command = [sys.executable, str(tmp_path / "out" / "main.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    assert done.stdout == "helped\n"


def test_nemo_run_is_an_extra_and_pins_what_it_cannot_be_imported_with() -> None:
    file = Path(__file__).parents[1] / "pyproject.toml"
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    assert not [item for item in project["dependencies"] if item.startswith("nemo-run")]
    assert project["optional-dependencies"]["run"] == [
        "nemo-run>=0.11.1,<0.12",
        "leptonai>=0.26.6,<0.28",
    ]


def test_without_nemo_run_its_packagers_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nemo_run", None)
    monkeypatch.delitem(sys.modules, "nemo_runspec.packaging.nemo_run.packagers", raising=False)
    with pytest.raises(MissingDependencyError, match=r"pip install 'nemo-runspec\[run\]'"):
        importlib.import_module("nemo_runspec.packaging.nemo_run.packagers")


def test_a_nemo_run_with_a_leptonai_that_is_too_new_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "nemo_run" / "core"
    broken.mkdir(parents=True)
    (tmp_path / "nemo_run" / "__init__.py").write_text("import leptonai_api_v1_that_is_gone\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "nemo_run"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "nemo_runspec.packaging.nemo_run.packagers", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        MissingDependencyError, match="NeMo-Run cannot be imported: No module"
    ) as told:
        importlib.import_module("nemo_runspec.packaging.nemo_run.packagers")
    assert "nemo-runspec[run]" in str(told.value.hint)
