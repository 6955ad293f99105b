"""The packagers by name put the same files into an archive as NeMo-Run's, option by option."""

from __future__ import annotations

import os
import subprocess
import tarfile
from dataclasses import MISSING, fields
from pathlib import Path

import nemo_run as run
import pytest

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.archives import (
    GitArchivePackager,
    HybridPackager,
    NoPackager,
    PatternPackager,
    make_packager,
)

IDENTITY = (
    "-c",
    "user.name=x",
    "-c",
    "user.email=x@example.com",
    "-c",
    "protocol.file.allow=always",
)
OURS = {
    run.GitArchivePackager: GitArchivePackager,
    run.PatternPackager: PatternPackager,
    run.HybridPackager: HybridPackager,
    run.Packager: NoPackager,
}
Found = dict[str, tuple[str, bytes, bool]]


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-C", str(folder), *IDENTITY, *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def write(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"this is {name}\n")


def repository(folder: Path, *names: str) -> Path:
    folder.mkdir()
    git(folder, "init", "-q")
    write(folder, *names)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with two commits, a submodule, links, a script, changes and untracked files."""
    lib = repository(tmp_path / "lib", "lib.py", "deep/er.py")
    top = repository(tmp_path / "code", "a.py", "sub/b.py", "sub/deep/c d.py", "notes.md")
    (top / "run.sh").write_text("#!/bin/sh\n")
    (top / "run.sh").chmod(0o755)
    (top / "sub" / "link").symlink_to("../a.py")
    (top / ".gitattributes").write_text("notes.md export-ignore\n")
    (top / ".gitignore").write_text("data/\n")
    git(top, "submodule", "add", "-q", str(lib), "sub/third-party")
    git(top, "add", ".")
    git(top, "commit", "-qm", "second")
    write(top, "new.py", "data/x.bin", "data/in/y.bin", "data/z.txt")
    (top / "a.py").write_text("changed and not committed\n")
    return top


def both(packager: run.Packager, path: Path, at: Path) -> tuple[Found, Found]:
    """Package with NeMo-Run and with ours, and unpack both as executors do."""
    ours = mirrored(packager)
    return (
        unpacked(packager.package(path, str(folder_of(at / "theirs")), "x"), at / "theirs"),
        unpacked(ours.package(path, folder_of(at / "ours"), "x"), at / "ours"),
    )


def mirrored(packager: run.Packager) -> object:
    """The packager of ours with the same name and the same options."""
    own = {item.name for item in fields(packager)} - {item.name for item in fields(run.Packager)}
    options = {name: getattr(packager, name) for name in own}
    if isinstance(packager, run.HybridPackager):
        subs = options["sub_packagers"].items()
        options["sub_packagers"] = {folder: mirrored(sub) for folder, sub in subs}
    names = {
        run.GitArchivePackager: "git_archive",
        run.PatternPackager: "pattern",
        run.HybridPackager: "hybrid",
    }
    return make_packager(names[type(packager)], options)


def folder_of(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def unpacked(archive: str, at: Path) -> Found:
    folder = folder_of(at / "unpacked")
    command = ["tar", "-xzf", archive, "-C", str(folder), "--ignore-zeros"]
    subprocess.run(command, check=True, timeout=60)
    found: Found = {}
    for current, folders, files in os.walk(folder):
        for name in [*files, *(item for item in folders if Path(current, item).is_symlink())]:
            file = Path(current, name)
            place = str(file.relative_to(folder))
            if file.is_symlink():
                found[place] = ("link", os.fsencode(os.readlink(file)), False)  # noqa: PTH115
            else:
                found[place] = ("file", file.read_bytes(), bool(file.stat().st_mode & 0o100))
    return found


@pytest.mark.parametrize(("theirs", "ours"), OURS.items(), ids=lambda cls: cls.__name__)
def test_options_and_defaults_are_those_of_nemo_run(theirs: type, ours: type) -> None:
    base = {item.name for item in fields(run.Packager)}
    expected = {item.name: item for item in fields(theirs) if item.name not in base}
    found = {item.name: item for item in fields(ours)}
    assert found.keys() == expected.keys()
    for name, item in expected.items():
        if item.default is not MISSING:
            assert found[name].default == item.default, name


@pytest.mark.parametrize(
    "options",
    [
        {"include_submodules": False},
        {},
        {"subpath": "sub"},
        {"subpath": "sub/", "include_submodules": False},
        {"ref": "HEAD~1", "include_submodules": False},
        {"include_pattern": "data", "include_submodules": False},
        {"include_pattern": "data/*.bin"},
        {"include_pattern": ["data/in", "new.py"], "include_pattern_relative_path": ["data", "."]},
        {"include_pattern": "data/z.txt", "include_pattern_relative_path": "data/in"},
    ],
    ids=str,
)
def test_a_commit_is_archived_as_by_nemo_run(
    checkout: Path, tmp_path: Path, options: dict[str, object]
) -> None:
    top = str(checkout)
    absolute = {
        key: [os.path.join(top, item) for item in ([value] if isinstance(value, str) else value)]  # noqa: PTH118
        for key, value in options.items()
        if key.startswith("include_pattern")
    }
    packager = run.GitArchivePackager(**{**options, **absolute})
    theirs, ours = both(packager, checkout / "sub", tmp_path)
    assert ours == theirs
    assert len(ours) > 1


def test_the_folder_can_be_named(checkout: Path, tmp_path: Path) -> None:
    packager = run.GitArchivePackager(basepath=str(checkout / "sub"))
    theirs, ours = both(packager, tmp_path, tmp_path)
    assert ours == theirs
    assert "a.py" in ours


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"check_uncommitted_changes": True}, RuntimeError, r"are not committed: a\.py"),
        ({"check_untracked_files": True}, AssertionError, r"are not tracked: new\.py"),
        ({"ref": "nowhere"}, Exception, "git archive failed: not a valid object name"),
        ({"subpath": "nowhere"}, Exception, "git archive failed: "),
        ({"include_pattern": ["a", "b"]}, ValueError, "has 2 entries and"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_nemo_run_refuses_is_refused_in_one_sentence(
    checkout: Path, tmp_path: Path, options: dict[str, object], error: type, message: str
) -> None:
    packager = run.GitArchivePackager(**options)
    ours = mirrored(packager)
    with pytest.raises(error):
        packager.package(checkout, str(folder_of(tmp_path / "theirs")), "x")
    with pytest.raises(PackagingError, match=message):
        ours.package(checkout, folder_of(tmp_path / "ours"), "x")  # type: ignore[attr-defined]
    assert not list((tmp_path / "ours").iterdir())


@pytest.mark.parametrize(
    ("patterns", "folders"),
    [
        ("sub", "."),
        ("sub/*.py", "sub"),
        ("sub/deep", "sub"),
        ("a.py", "sub"),
        ("run.sh", "."),
        (["sub", "data/*"], [".", "data"]),
        (["", "a.py"], [".", "."]),
    ],
    ids=str,
)
def test_patterns_are_archived_as_by_nemo_run(
    checkout: Path, tmp_path: Path, patterns: str | list[str], folders: str | list[str]
) -> None:
    def absolute(value: str | list[str]) -> str | list[str]:
        if isinstance(value, str):
            return str(checkout / value) if value else ""
        return [str(absolute(item)) for item in value]

    packager = run.PatternPackager(
        include_pattern=absolute(patterns), relative_path=absolute(folders)
    )
    theirs, ours = both(packager, checkout, tmp_path)
    assert ours == theirs
    assert ours


@pytest.mark.parametrize("at_root", [True, False], ids=["at the top", "in folders"])
def test_combinations_are_archived_as_by_nemo_run(
    checkout: Path, tmp_path: Path, *, at_root: bool
) -> None:
    (checkout / "sub" / "link").unlink()
    git(checkout, "commit", "-qam", "no links")
    packager = run.HybridPackager(
        sub_packagers={
            "first": run.GitArchivePackager(),
            "second": run.PatternPackager(
                include_pattern=str(checkout / "*.py"), relative_path=str(checkout)
            ),
        },
        extract_at_root=at_root,
    )
    theirs, ours = both(packager, checkout, tmp_path)
    assert ours == theirs
    changed = ours["a.py" if at_root else "second/a.py"]
    assert changed[1] == b"changed and not committed\n"


def test_links_in_combinations_stay_what_they_are(checkout: Path, tmp_path: Path) -> None:
    """GNU tar's --transform, which NeMo-Run uses, rewrites where links lead to."""
    packager = run.HybridPackager(sub_packagers={"f": run.GitArchivePackager()})
    theirs, ours = both(packager, checkout, tmp_path)
    assert theirs["f/sub/link"][1] == b"f/../a.py"
    assert ours["f/sub/link"][1] == b"../a.py"


def test_a_submodule_in_a_submodule_lies_where_it_is_checked_out(tmp_path: Path) -> None:
    """NeMo-Run gives it its path in the submodule that it belongs to."""
    inner = repository(tmp_path / "inner", "deep.py")
    outer = repository(tmp_path / "outer", "lib.py")
    git(outer, "submodule", "add", "-q", str(inner), "inner")
    git(outer, "commit", "-qm", "deeper")
    top = repository(tmp_path / "code", "a.py")
    git(top, "submodule", "add", "-q", str(outer), "outer")
    git(top, "commit", "-qm", "deep")
    git(top, "submodule", "update", "-q", "--init", "--recursive")
    theirs, ours = both(run.GitArchivePackager(), top, tmp_path)
    assert "inner/deep.py" in theirs
    assert sorted(ours) == [
        ".gitmodules",
        "a.py",
        "outer/.gitmodules",
        "outer/inner/deep.py",
        "outer/lib.py",
    ]


def test_a_pattern_that_matches_nothing_is_refused(checkout: Path, tmp_path: Path) -> None:
    """NeMo-Run archives nothing for it, and the job fails far away."""
    missing = str(checkout / "nowhere" / "*.py")
    packager = run.GitArchivePackager(include_pattern=missing, include_submodules=False)
    assert packager.package(checkout, str(folder_of(tmp_path / "theirs")), "x")
    ours = GitArchivePackager(include_pattern=missing)
    with pytest.raises(PackagingError, match="No file matches the pattern"):
        ours.package(checkout, tmp_path / "ours", "x")


def test_an_archive_is_written_anew(checkout: Path, tmp_path: Path) -> None:
    """NeMo-Run returns one that exists, whatever has been committed since."""
    packager = GitArchivePackager(include_submodules=False)
    before = Path(packager.package(checkout, tmp_path, "x")).read_bytes()
    git(checkout, "commit", "-qam", "third")
    after = Path(packager.package(checkout, tmp_path, "x"))
    assert after.read_bytes() != before
    with tarfile.open(after) as archive:
        content = archive.extractfile("a.py")
        assert content is not None
        assert content.read() == b"changed and not committed\n"


def test_nothing_is_nothing(tmp_path: Path) -> None:
    assert run.Packager().package(tmp_path, str(tmp_path), "x") is None
    assert make_packager("none").package(tmp_path, tmp_path, "x") is None  # type: ignore[func-returns-value]
    assert not list(tmp_path.iterdir())
