"""Archives of the code, and the launcher that runs a recipe from what was sent."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.code import CodePackager, CodeTree
from nemo_runspec.packaging.code.secret_files import is_secret_name
from nemo_runspec.packaging.code.tree import read_tree

RECIPE = """
import sys

import helper
import ours

print(__name__, __file__.rpartition("code/")[2], sys.argv[0] == __file__, sys.argv[1:])
print(helper.__name__, ours.WORD, __doc__, sorted(set(globals()) & {"prepare", "SCRIPT", "os"}))
"""


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def project(folder: Path, recipe: str = RECIPE) -> Path:
    """A workspace with a package below src, and a recipe with a helper beside it."""
    return write(
        folder,
        {
            "pyproject.toml": "",
            "packages/ours/pyproject.toml": "",
            "packages/ours/src/ours/__init__.py": "WORD = 'ours'\n",
            "recipes/demo/train.py": recipe,
            "recipes/demo/helper.py": "",
            "tests/project/pyproject.toml": "",
            "tests/project/src/toy/__init__.py": "",
        },
    )


def unpack(archive: str, folder: Path) -> Path:
    """Unpack as NeMo-Run's executors do."""
    folder.mkdir()
    command = ["tar", "-xzf", archive, "-C", str(folder), "--ignore-zeros"]
    subprocess.run(command, check=True, timeout=60)
    return folder


def packaged(top: Path, at: Path, **options: object) -> Path:
    script = top / "recipes" / "demo" / "train.py"
    packager = CodePackager(script=script, **options)  # type: ignore[arg-type]
    return unpack(packager.package(top, at, "job"), at / "job")


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `main.py` where nothing of the workspace can be imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    elsewhere = folder.parent / "cwd"
    elsewhere.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, *words],
        cwd=elsewhere,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("flags", [(), ("-O",), ("-W", "error"), ("-m", "cProfile", "-o", "x")])
def test_the_launcher_runs_the_recipe_as_the_workspace_does(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    job = packaged(project(tmp_path / "code"), tmp_path / "out")
    done = run(job, *flags, str(job / "main.py"), "--config", "a b", "x=1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "__main__ recipes/demo/train.py True ['--config', 'a b', 'x=1']",
        "helper ours None []",
    ]


def test_an_isolated_interpreter_finds_the_packages(tmp_path: Path) -> None:
    recipe = "import ours\nprint(ours.WORD)\n"
    job = packaged(project(tmp_path / "code", recipe), tmp_path / "out")
    assert run(job, "-I", str(job / "main.py")).stdout == "ours\n"


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_workers_and_programs_that_the_recipe_starts_find_the_packages(
    tmp_path: Path, method: str
) -> None:
    recipe = f"""
import multiprocessing, subprocess, sys
import ours

class Local:
    pass

def work(value):
    import helper
    return ours.WORD, __name__, type(value).__name__

if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(1) as pool:
        print(pool.apply(work, [Local()]), flush=True)
    subprocess.run([sys.executable, "-c", "import ours; print(ours.WORD)"], check=True)
"""
    job = packaged(project(tmp_path / "code", recipe), tmp_path / "out")
    done = run(job, str(job / "main.py"), PYTHONPATH="/somewhere")
    worker = "__main__" if method == "fork" else "__mp_main__"
    assert done.stdout.splitlines() == [f"('ours', '{worker}', 'Local')", "ours"], done.stderr


def test_a_traceback_names_the_files_of_the_tree(tmp_path: Path) -> None:
    recipe = "\n\ndef fail():\n    raise ValueError('no')\n\nfail()\n"
    job = packaged(project(tmp_path / "code", recipe), tmp_path / "out")
    done = run(job, str(job / "main.py"))
    assert done.returncode == 1
    file = job / "code" / "recipes" / "demo" / "train.py"
    assert f'File "{file}", line 4, in fail\n    raise ValueError' in done.stderr


def test_the_exit_code_is_that_of_the_recipe(tmp_path: Path) -> None:
    job = packaged(project(tmp_path / "code", "raise SystemExit(7)"), tmp_path / "out")
    assert run(job, str(job / "main.py")).returncode == 7


def test_code_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    job = packaged(project(tmp_path / "code"), tmp_path / "out")
    (job / "code").rename(job / "elsewhere")
    done = run(job, str(job / "main.py"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {job}/code/recipes/demo/train.py: The job's code is not")
    assert len(done.stderr.splitlines()) == 1


def test_packages_are_found_by_their_projects_and_can_be_named(tmp_path: Path) -> None:
    top = project(tmp_path / "code")
    write(top, {"flat/setup.py": "", "flat/lib/__init__.py": "", "own/deep/x.py": ""})
    job = packaged(top, tmp_path / "found")
    assert "IMPORT_ROOTS = ('flat', 'packages/ours/src')" in (job / "main.py").read_text()
    job = packaged(top, tmp_path / "named", packages=("own/deep",))
    assert "IMPORT_ROOTS = ('own/deep',)" in (job / "main.py").read_text()
    write(top, {"top.py": "", "top/__init__.py": ""})
    job = packaged(top, tmp_path / "top")
    assert "IMPORT_ROOTS = ('.', 'flat', 'packages/ours/src')" in (job / "main.py").read_text()


def test_the_configuration_lies_beside_the_launcher(tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    config.write_text("a: ü\n")
    job = packaged(project(tmp_path / "code"), tmp_path / "out", config=config)
    assert sorted(item.name for item in job.iterdir()) == ["code", "config.yaml", "main.py"]
    assert (job / "config.yaml").read_text() == "a: ü\n"
    with pytest.raises(
        PackagingError, match="configuration cannot be read: No such file"
    ) as caught:
        packaged(tmp_path / "code", tmp_path / "again", config=tmp_path / "missing.yaml")
    assert caught.value.where == str(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.yaml", "hub: {token: hf_0123456789}\n"),
        ("c.yaml", "note: 0123456789abcdef\n"),
        ("env.toml", "a: 1\n"),
        ("c.yaml", "-----BEGIN " + "PRIVATE KEY-----\n"),
    ],
)
def test_a_configuration_with_a_secret_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    top = project(tmp_path / "code")
    config = write(tmp_path, {name: text}) / name
    monkeypatch.setenv("HF_TOKEN", "0123456789abcdef")
    packager = CodePackager(script=top / "recipes/demo/train.py", config=config)
    with pytest.raises(PackagingError, match=rf"{name}' holds credentials"):
        packager.package(top, tmp_path / "out", "job")
    assert not list(tmp_path.glob("out/*"))


def test_a_configuration_that_names_where_its_secret_is_goes_along(tmp_path: Path) -> None:
    top = project(tmp_path / "code")
    text = "hub: {token: '${oc.env:HF_TOKEN}', eos_token: <s>}\nbroken: [\n"
    config = write(tmp_path, {"c.yaml": text}) / "c.yaml"
    packager = CodePackager(script=top / "recipes/demo/train.py", config=config)
    job = unpack(packager.package(top, tmp_path / "out", "job"), tmp_path / "job")
    assert (job / "config.yaml").read_text() == text


def test_a_tree_alone_has_no_launcher(tmp_path: Path) -> None:
    top = write(tmp_path / "code", {"main.py": "mine", "a": ""})
    written = CodePackager().package(top, tmp_path, "tree")
    with tarfile.open(written) as archive:
        assert archive.getnames() == ["code/a", "code/main.py"]


@pytest.mark.parametrize("place", ["outside.py", "code/build/ignored.py", "code/left-out.py"])
def test_a_script_that_is_not_sent_is_refused(tmp_path: Path, place: str) -> None:
    write(tmp_path, {place: "", "code/.gitignore": "build/\n", "code/a": ""})
    packager = CodePackager(script=tmp_path / place, exclude=("left-out.py",))
    with pytest.raises(PackagingError, match="script is not among the files") as caught:
        packager.package(tmp_path / "code", tmp_path, "job")
    assert "self_contained" in str(caught.value.hint)
    assert not (tmp_path / "job.tar.gz").exists()


def test_an_archive_depends_on_its_content_alone(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(20)]
    content: dict[str, str | bytes] = dict.fromkeys(names, "same")
    write(tmp_path / "one", content)
    write(tmp_path / "other", dict(reversed(content.items())))
    for name in names:
        os.utime(tmp_path / "other" / name, (1, 1))
        (tmp_path / "other" / name).chmod(0o640)
    written = [
        Path(CodePackager().package(tmp_path / folder, tmp_path / f"to-{folder}", "x"))
        for folder in ("one", "other")
    ]
    assert written[0].read_bytes() == written[1].read_bytes()
    with tarfile.open(written[0]) as archive:
        for info in archive:
            assert (info.mtime, info.uid, info.gid, info.uname, info.gname) == (0, 0, 0, "", "")
            assert info.mode == 0o644
    (tmp_path / "one" / "f3").chmod(0o755)
    again = Path(CodePackager().package(tmp_path / "one", tmp_path / "to-one", "x"))
    assert again.read_bytes() != written[1].read_bytes()


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8
).filter(lambda name: name not in (".", "..") and not name.lower().startswith(".git"))
TREES = st.dictionaries(
    st.lists(NAMES.map(lambda name: f"x{name}"), min_size=1, max_size=3)
    .map("/".join)
    .filter(lambda path: not is_secret_name(path)),
    st.tuples(st.sampled_from(["file", "executable", "link"]), st.binary(max_size=40)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(files=TREES)
def test_what_is_unpacked_is_the_tree(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, tuple[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    made = {path for path, (kind, content) in files.items() if made_of(folder, path, kind, content)}
    tree = read_tree(folder / "code", sorted(made, key=os.fsencode))
    written = [CodePackager().package(folder / "code", folder / str(n), "x") for n in (1, 2)]
    assert Path(written[0]).read_bytes() == Path(written[1]).read_bytes()
    assert found_in(unpack(written[0], folder / "to") / "code") == tree


def made_of(folder: Path, path: str, kind: str, content: bytes) -> bool:
    """Make one file of a tree, unless it is in the way of another one."""
    file = folder / "code" / path
    above = [parent for parent in file.parents if parent.is_relative_to(folder / "code")]
    in_the_way = (parent.is_symlink() or parent.is_file() for parent in above)
    if any(in_the_way) or os.path.lexists(file):
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        file.symlink_to(f"x{content.hex()}")
    else:
        file.write_bytes(content)
        file.chmod(0o755 if kind == "executable" else 0o644)
    return True


def found_in(folder: Path) -> CodeTree:
    """Read whatever lies in a folder, as if it was the tree's own."""
    paths = [
        os.path.relpath(os.path.join(current, name), folder)  # noqa: PTH118
        for current, _, names in os.walk(folder)
        for name in names
    ]
    found = read_tree(folder, sorted(paths, key=os.fsencode))
    return CodeTree(folder.parent.parent / "code", found.entries)


def test_files_that_change_all_the_time_are_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = write(tmp_path / "code", {"a": "", "b": ""})
    read = CodePackager.read
    times: list[int] = []

    def disturbed(self: CodePackager, path: Path) -> CodeTree:
        tree = read(self, path)
        times.append(len(times))
        if len(times) < disturbances:
            (top / "a").write_text(f"{len(times)}")
        return tree

    monkeypatch.setattr(CodePackager, "read", disturbed)
    disturbances = 3
    with tarfile.open(CodePackager().package(top, tmp_path, "x")) as archive:
        content = archive.extractfile("code/a")
        assert content is not None
        assert content.read() == b"2"
    disturbances = 99
    with pytest.raises(PackagingError, match="changed while they were read, 3 times in a row"):
        CodePackager().package(top, tmp_path, "x")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["code"]


def test_an_archive_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    top = write(tmp_path / "code", {"a": ""})
    write(tmp_path, {"file": ""})
    with pytest.raises(PackagingError, match="archive cannot be written: Not a directory"):
        CodePackager().package(top, tmp_path / "file" / "deeper", "x")
    with pytest.raises(PackagingError, match="archive cannot be written: File name too long"):
        CodePackager().package(top, tmp_path, "x" * 250)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["code", "file"]
