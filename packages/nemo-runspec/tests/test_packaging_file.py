"""The form of a packaged main.py: its top, what it checks, where it says that it comes from."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging import PackagedJob, package_script

WORKSPACE = {
    "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
    "packages/one/pyproject.toml": """
[project]
name = "one"
version = "1.5"
dependencies = ["pyyaml>=6", "fsspec>=2024.6.0", "omegaconf>=2.3.0,<9"]
""",
    "packages/one/src/one/__init__.py": "import yaml\n\n\ndef late():\n    import omegaconf\n",
    "recipes/train.py": """# /// script
# requires-python = ">=3.11,<4"
# dependencies = ["one", "pyyaml!=6.0.0"]
# [tool.runspec]
# schema = "1"
# name = "demo/train"
# docs = "Shows how it is done."
# image = "demo:1"
# ///
'''What it says of itself.'''

from __future__ import annotations

import one

print(__doc__, one.__name__)
""",
}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def git(folder: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=demo", "-c", "user.email=demo@example.com")
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def run(main: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(main), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return write(tmp_path / "workspace", WORKSPACE)


def test_the_top_says_what_it_is(workspace: Path, tmp_path: Path) -> None:
    main = package_script(workspace / "recipes/train.py", tmp_path / "job").main
    top = main.read_text().partition("import sys")[0]
    assert (
        top
        == """\
# /// script
# requires-python = ">=3.11,<4"
# dependencies = [
#     "omegaconf>=2.3.0,<9",
#     "pyyaml>=6,!=6.0.0",
# ]
# ///
r\"\"\"demo/train: Shows how it is done.

One file made by `nemotron package`: change its sources and package them again.
The recipe is recipes/train.py; no commit is known.

    python main.py --config config.yaml key=value

Inside, of one 1.5:
    one

Needs, and checks at its start: omegaconf>=2.3.0,<9, pyyaml>=6,!=6.0.0.
\"\"\"

"""
    )
    assert run(main).stdout == "What it says of itself. one\n"


def test_what_is_declared_and_not_reached_is_not_needed(workspace: Path, tmp_path: Path) -> None:
    main = package_script(workspace / "recipes/train.py", tmp_path / "job").main
    assert "fsspec" not in main.read_text().partition("import sys")[0]


HERE = metadata.version("pyyaml")


@pytest.mark.parametrize(
    ("requirements", "needs", "wanted"),
    [
        (["absent-one>=2"], "absent-one>=2, not installed here", "'absent-one>=2'"),
        (
            ["absent-one", "absent-two==1.*"],
            "absent-one and absent-two==1.*, not installed here",
            "'absent-one' 'absent-two==1.*'",
        ),
        (
            ["pyyaml>=99", "absent-one"],
            f"absent-one, not installed here; and pyyaml>=99 ({HERE} is installed)",
            "'absent-one' 'pyyaml>=99'",
        ),
    ],
)
def test_what_is_missing_is_named_in_one_sentence(
    tmp_path: Path, requirements: list[str], needs: str, wanted: str
) -> None:
    header = f"# /// script\n# dependencies = {json.dumps(requirements)}\n# ///\nprint('started')\n"
    write(tmp_path, {"code/go.py": header})
    done = run(package_script(tmp_path / "code/go.py", tmp_path / "job").main)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: main.py needs {needs}. Install with: pip install {wanted}\n"


@pytest.mark.parametrize(
    "requirement",
    [
        "pyyaml>=5,<99",
        "pyyaml~=6.0",
        "pyyaml!=1.*",
        "PyYAML",
        "pyyaml==6.*",
        "absent; python_version<'3'",
    ],
)
def test_what_is_there_starts(tmp_path: Path, requirement: str) -> None:
    header = f'# /// script\n# dependencies = ["{requirement}"]\n# ///\nprint("started")\n'
    write(tmp_path, {"code/go.py": header})
    done = run(package_script(tmp_path / "code/go.py", tmp_path / "job").main)
    assert (done.returncode, done.stdout) == (0, "started\n"), done.stderr


def test_equal_checkouts_give_equal_bytes_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[bytes] = []
    for name in ("a", "b/deeper"):
        place = write(tmp_path / name, WORKSPACE)
        monkeypatch.chdir(place)
        texts.append(
            package_script(place / "recipes/train.py", tmp_path / f"job-{name}").main.read_bytes()
        )
    assert texts[0] == texts[1]
    assert str(tmp_path).encode() not in texts[0]


def test_the_commit_is_that_of_what_was_packaged(workspace: Path, tmp_path: Path) -> None:
    git(workspace, "init", "--quiet")
    git(workspace, "add", ".")
    git(workspace, "commit", "--quiet", "-m", "All of it")
    commit = git(workspace, "rev-parse", "HEAD")
    script = workspace / "recipes/train.py"
    (workspace / "elsewhere.txt").write_text("not packaged, so not a change of it")
    assert (
        f"train.py; commit {commit}.\n" in package_script(script, tmp_path / "a").main.read_text()
    )

    (workspace / "packages/one/src/one/__init__.py").write_text("import yaml, omegaconf\n")
    changed = package_script(script, tmp_path / "b").main.read_text()
    assert f"train.py; commit {commit}, with uncommitted changes.\n" in changed


def test_provenance_is_that_of_packaging_wherever_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = (
        WORKSPACE["recipes/train.py"].partition("'''")[0].replace('"one", ', '"nemo-runspec", ')
    )
    body = """
import json
from nemo_runspec.provenance import collect_script
print(json.dumps(collect_script()))
"""
    code = write(tmp_path / "code", {"go.py": header + body})
    git(code, "init", "--quiet")
    git(code, "add", ".")
    git(code, "commit", "--quiet", "-m", "All of it")
    main = package_script(code / "go.py", tmp_path / "other/job").main

    other = write(tmp_path / "other", {"x": ""})
    git(other, "init", "--quiet")
    git(other, "add", "x")
    git(other, "commit", "--quiet", "-m", "Another checkout")
    monkeypatch.chdir(other)
    found = json.loads(run(main).stdout)
    assert found["git_commit"] == git(code, "rev-parse", "HEAD") != git(other, "rev-parse", "HEAD")
    assert (found["git_dirty"], found["runspec"], found["image"]) == (False, "demo/train", "demo:1")
    assert found["packages"]["nemo-runspec"] == metadata.version("nemo-runspec")
    assert found["packages"]["omegaconf"] == metadata.version("omegaconf")


def test_code_of_any_form_is_taken_as_it_is(tmp_path: Path) -> None:
    awkward = (
        "A = '''x\\\\'''\nB = \"\"\"y'\"\"\"\nC = r'\\n'\nD = 'ends with a quote'\n# \\\nE = '\\''"
    )
    write(tmp_path, {"code/go.py": "import odd, inspect\nprint(inspect.getsource(odd), end='')"})
    write(tmp_path, {"code/odd.py": awkward})
    done = run(package_script(tmp_path / "code/go.py", tmp_path / "job").main)
    assert done.stdout == awkward + "\n", done.stderr


@pytest.mark.parametrize("name", ['a"""b', "a\\", "a\nimport nothing\n", "täb\tünï'''"])
def test_names_of_folders_and_data_are_no_code(tmp_path: Path, name: str) -> None:
    reads = "from importlib.resources import files\n\nnames = lambda at: files(at).iterdir()\n"
    files = {
        "pyproject.toml": "",
        f"{name}/go.py": "import lib, lib.r\nprint([ascii(x.name) for x in lib.r.names(lib)][1:2])",
        f"{name}/lib/__init__.py": "",
        f"{name}/lib/r.py": reads,
        f"{name}/lib/b{name}.txt": "x",
    }
    write(tmp_path / "code", files)
    done = run(package_script(tmp_path / "code" / name / "go.py", tmp_path / "job").main)
    assert (done.returncode, done.stderr) == (0, "")
    assert ast.literal_eval(done.stdout) == [ascii(f"b{name}.txt")]


def test_an_old_python_is_told_so(tmp_path: Path) -> None:
    write(tmp_path, {"code/go.py": ""})
    text = package_script(tmp_path / "code/go.py", tmp_path / "job").main.read_text()
    check = re.search(r"if sys\.version_info < \(3, 11\):\n    sys\.exit\(.*\)\n", text)
    assert check is not None
    old = "import sys\nsys.version_info = (3, 8)\nsys.version = '3.8.1 (old)'\n" + check[0]
    done = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True, check=False)
    assert done.stderr == "error: main.py needs Python 3.11 or newer, and this is 3.8.1.\n"


def test_the_second_start_takes_the_bytecode_of_the_first(tmp_path: Path) -> None:
    write(tmp_path, {"code/go.py": "import lib\nprint(lib.WORD)", "code/lib.py": "WORD = 'first'"})
    main = package_script(tmp_path / "code/go.py", tmp_path / "job").main
    assert run(main, PYTHONDONTWRITEBYTECODE="1").stdout == "first\n"
    assert not (main.parent / "__pycache__").exists()
    assert run(main, PYTHONDONTWRITEBYTECODE="", RANK="3").stdout == "first\n"
    assert not (main.parent / "__pycache__").exists()

    assert run(main, PYTHONDONTWRITEBYTECODE="").stdout == "first\n"
    (kept,) = (main.parent / "__pycache__").iterdir()
    # A word is changed in the bytecode alone, to see that it is what runs.
    kept.write_bytes(kept.read_bytes().replace(b"first", b"known"))
    assert run(main).stdout == "known\n"

    write(tmp_path, {"code/lib.py": "WORD = 'second'"})
    package_script(tmp_path / "code/go.py", tmp_path / "job")
    assert run(main, PYTHONDONTWRITEBYTECODE="").stdout == "second\n"
    kept.write_bytes(kept.read_bytes()[:-20])
    assert run(main).stdout == "second\n"


def test_a_folder_that_somebody_else_filled_is_left_alone(workspace: Path, tmp_path: Path) -> None:
    mine = write(tmp_path / "job", {"main.py": "print('mine')"})
    with pytest.raises(PackagingError, match=r"'main\.py' is there already, and was not packaged"):
        package_script(workspace / "recipes/train.py", mine)
    assert [file.name for file in mine.iterdir()] == ["main.py"]
    assert (mine / "main.py").read_text() == "print('mine')"


def test_what_was_changed_since_is_not_replaced(workspace: Path, tmp_path: Path) -> None:
    config = write(tmp_path, {"c.yaml": "a: 1\n"}) / "c.yaml"
    job = package_script(workspace / "recipes/train.py", tmp_path / "job", config=config)
    assert job.config is not None
    job.config.write_text("a: 2\n")
    with pytest.raises(PackagingError, match=r"'config\.yaml' was changed since it was packaged"):
        package_script(workspace / "recipes/train.py", tmp_path / "job", config=config)
    assert job.config.read_text() == "a: 2\n"


def test_packaging_again_replaces_what_was_packaged_and_nothing_else(
    workspace: Path, tmp_path: Path
) -> None:
    script = workspace / "recipes/train.py"
    write(tmp_path, {"c.yaml": "words: w.txt\n", "w.txt": "one"})
    first = package_script(script, tmp_path / "job", config=tmp_path / "c.yaml")
    (words,) = first.files
    (tmp_path / "job" / "results").mkdir()
    (tmp_path / "job" / "results" / "kept.txt").write_text("kept")

    second = package_script(script, tmp_path / "job")
    assert (second.config, second.files) == (None, ())
    assert not words.exists()
    assert not (tmp_path / "job" / "config.yaml").exists()
    assert (tmp_path / "job" / "results" / "kept.txt").read_text() == "kept"


KILLED = """
import os, sys
from pathlib import Path
from nemo_runspec.packaging import package_script
script, output, config, left = sys.argv[1:]
def replace(self, target, real=Path.replace):
    global left
    if not int(left):
        os._exit(9)
    left = int(left) - 1
    return real(self, target)
Path.replace = replace
package_script(script, output, config=config)
"""


@pytest.mark.parametrize("replaced", range(5))
def test_packaging_that_was_killed_is_made_up_for_by_the_next(
    workspace: Path, tmp_path: Path, replaced: int
) -> None:
    script = workspace / "recipes/train.py"
    config = write(tmp_path, {"c.yaml": "words: w.txt\n", "w.txt": "one"}) / "c.yaml"
    job = package_script(script, tmp_path / "job", config=config)
    (workspace / "packages/one/src/one/__init__.py").write_text("import yaml, omegaconf\n")
    write(tmp_path, {"c.yaml": "words: x.txt\n", "x.txt": "two"})
    words = (str(script), str(job.main.parent), str(config), str(replaced))
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], check=False, cwd=tmp_path)
    assert killed.returncode == 9

    (tmp_path / "w.txt").rename(tmp_path / "y.txt")
    config.write_text("words: y.txt\n")
    again = package_script(script, tmp_path / "job", config=config)
    fresh = package_script(script, tmp_path / "fresh", config=config)
    assert relative(again) == relative(fresh)
    here, there = tmp_path / "job", tmp_path / "fresh"
    assert {file.relative_to(here): file.read_bytes() for file in here.rglob("*.*")} == {
        file.relative_to(there): file.read_bytes() for file in there.rglob("*.*")
    }


def relative(job: PackagedJob) -> list[str]:
    return [str(file.relative_to(job.main.parent)) for file in job.files]


def test_a_listing_cannot_have_files_elsewhere_removed(workspace: Path, tmp_path: Path) -> None:
    victim = write(tmp_path, {"kept.txt": "kept"}) / "kept.txt"
    digest = hashlib.sha256(b"kept").hexdigest()
    listing = json.dumps({"files": {"../kept.txt": digest, str(victim): digest}})
    write(tmp_path / "job", {".nemotron-package.json": listing})
    package_script(workspace / "recipes/train.py", tmp_path / "job")
    assert victim.read_text() == "kept"


def test_links_in_the_folder_are_neither_followed_nor_replaced(
    workspace: Path, tmp_path: Path
) -> None:
    write(tmp_path, {"c.yaml": "words: w.txt\n", "w.txt": "one"})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "job").mkdir()
    for name, to in (("main.py", "nowhere.py"), ("files", "../elsewhere")):
        link = tmp_path / "job" / name
        link.symlink_to(to)
        with pytest.raises(PackagingError, match=rf"'{name}.*' is there already, and was not"):
            package_script(
                workspace / "recipes/train.py", tmp_path / "job", config=tmp_path / "c.yaml"
            )
        assert link.is_symlink()
        link.unlink()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_failure_leaves_nothing_behind(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blocked").write_text("a file")
    with pytest.raises(PackagingError, match=r"The folder cannot be written: Not a directory"):
        package_script(workspace / "recipes/train.py", tmp_path / "blocked" / "job")
    with pytest.raises(PackagingError, match="The output is a file"):
        package_script(workspace / "recipes/train.py", tmp_path / "blocked")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["blocked", "workspace"]


def test_a_full_disk_leaves_the_old_job_whole(workspace: Path, tmp_path: Path) -> None:
    script = workspace / "recipes/train.py"
    before = package_script(script, tmp_path / "job").main.read_bytes()
    (workspace / "packages/one/src/one/__init__.py").write_text("import yaml, omegaconf\n")
    limited = f"""
import resource, signal, sys
from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging import package_script
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    package_script({str(script)!r}, {str(tmp_path / "job")!r})
except PackagingError as error:
    print(error)
"""
    command = [sys.executable, "-c", limited]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "The folder cannot be written: File too large" in done.stdout
    assert (tmp_path / "job" / "main.py").read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["job", "workspace"]
    shutil.rmtree(tmp_path / "job")
