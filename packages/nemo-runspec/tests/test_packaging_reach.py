"""What goes into a packaged main.py, and what keeps a script from being packaged."""

from __future__ import annotations

import ast
import importlib.machinery
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from nemo_runspec.errors import PackagingError, UsageError
from nemo_runspec.packaging import PackagedJob, package_script

HEADER = """# /// script
# dependencies = [{dependencies}]
# [tool.runspec]
# schema = "1"
# name = "demo/train"
{more}# ///
"""


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def package(folder: Path, script: str, files: Mapping[str, str], **options: object) -> PackagedJob:
    write(folder, {"train.py": script, **files})
    return package_script(folder / "train.py", folder.parent / "job", **options)  # type: ignore[arg-type]


def inside(job: PackagedJob) -> set[str]:
    """The names of the modules in a main.py."""
    for node in ast.parse(job.main.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_modules":
            return set(ast.literal_eval(node.value))
    raise AssertionError("main.py has no table of modules")


def run(job: PackagedJob, *arguments: str) -> str:
    command = [sys.executable, "-I", "-W", "error", str(job.main), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "code"
    found.mkdir()
    return found


PACKAGE = {"lib/__init__.py": "", "lib/a.py": "", "lib/b.py": "", "lib/sub/__init__.py": ""}


@pytest.mark.parametrize(
    ("script", "files", "expected"),
    [
        ("import lib.a", {}, {"lib", "lib.a"}),
        ("from lib import b", {}, {"lib", "lib.b"}),
        ("from lib.sub import *", {}, {"lib", "lib.sub"}),
        ("def f():\n    class C:\n        from lib import a", {}, {"lib", "lib.a"}),
        ("async def f():\n    async with x:\n        import lib.a", {}, {"lib", "lib.a"}),
        ("match 1:\n    case 1:\n        import lib.a", {}, {"lib", "lib.a"}),
        ("try:\n    pass\nfinally:\n    import lib.a", {}, {"lib", "lib.a"}),
        ("import importlib\nimportlib.import_module('lib.a')", {}, {"lib", "lib.a"}),
        ("f = lambda: __import__('lib.a')", {}, {"lib", "lib.a"}),
        ("import lib.a", {"lib/a.py": "from . import b"}, {"lib", "lib.a", "lib.b"}),
        (
            "import lib.sub",
            {"lib/sub/__init__.py": "from ..b import x"},
            {"lib", "lib.sub", "lib.b"},
        ),
        ("import lib", {"lib/__init__.py": "from .a import *"}, {"lib", "lib.a"}),
        (
            "import lib.a",
            {"lib/a.py": "import importlib\nimportlib.import_module('.b', __package__)"},
            {"lib", "lib.a", "lib.b"},
        ),
        (
            "import typing\nif typing.TYPE_CHECKING:\n    import lib.a\nelse:\n    import lib.b",
            {},
            {"lib", "lib.b"},
        ),
        (
            "import typing as t\nif not t.TYPE_CHECKING:\n    import lib.a\nelse:\n    import none",
            {},
            {"lib", "lib.a"},
        ),
        ("import helper", {"helper.py": "import lib.a"}, {"helper", "lib", "lib.a"}),
        ("import spaces.one", {"spaces/one.py": ""}, {"spaces", "spaces.one"}),
        ("x = 'lib.a'", {}, set()),
    ],
)  # fmt: skip
def test_imports_are_followed(
    folder: Path, script: str, files: dict[str, str], expected: set[str]
) -> None:
    assert inside(package(folder, script, {**PACKAGE, **files})) == expected


FACADE = """
from nemo_runspec.exports import lazy_exports
EXPORTS = {"one": "lib.a:value", "two": "lib.b:value", "three": "nowhere:value"}
__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
"""


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("from lib import one", {"lib.a"}),
        ("from lib import two as other", {"lib.b"}),
        ("import lib\nlib.two", {"lib.b"}),
        ("import lib as short\nprint(short.one)", {"lib.a"}),
        ("import lib\nprint(vars(lib))", {"lib.a", "lib.b"}),
        ("from lib import *", {"lib.a", "lib.b"}),
    ],
)
def test_a_facade_is_followed_to_the_owners_of_what_is_taken(
    folder: Path, script: str, expected: set[str]
) -> None:
    found = inside(package(folder, script, {**PACKAGE, "lib/__init__.py": FACADE}))
    assert {name for name in found if name.startswith("lib.")} == expected


def test_modules_that_are_looked_for_at_run_time_are_there(folder: Path) -> None:
    plugins = """
import importlib, pkgutil
names = [f"{__name__}.{each.name}" for each in pkgutil.iter_modules(__path__)]
found = [importlib.import_module(name) for name in names]
"""
    files = {"lib/__init__.py": plugins, "lib/a.py": "NAME = 'a'", "lib/b.py": "NAME = 'b'"}
    job = package(folder, "import lib\nprint([each.NAME for each in lib.found])", files)
    assert run(job) == "['a', 'b']\n"


def test_a_table_of_modules_that_are_imported_by_name_is_followed(folder: Path) -> None:
    table = """
from importlib import import_module
KINDS = {"s3": "s3:load", "local": "lib.kinds.local:load"}
def load(kind):
    module, _, name = KINDS[kind].partition(":")
    return getattr(import_module(module if "." in module else f"{__name__}.{module}"), name)()
"""
    files = {
        "lib/__init__.py": "",
        "lib/kinds/__init__.py": table,
        "lib/kinds/s3.py": "def load(): return 's3'",
        "lib/kinds/local.py": "def load(): return 'local'",
    }
    script = "from lib.kinds import load\nprint(load('s3'), load('local'))"
    assert run(package(folder, script, files)) == "s3 local\n"


def test_package_data_is_there(folder: Path) -> None:
    reader = """
from importlib import resources
def read():
    return (resources.files(__package__) / "data" / "words.txt").read_text(encoding="utf-8")
"""
    files = {"lib/__init__.py": "", "lib/reader.py": reader, "lib/data/words.txt": "one, zwölf\n"}
    job = package(folder, "from lib.reader import read\nprint(ascii(read()))", files)
    assert run(job) == "'one, zw\\xf6lf\\n'\n"


def test_data_that_nothing_reads_stays_behind(folder: Path) -> None:
    files = {"lib/__init__.py": "", "lib/secret.txt": "do not send"}
    assert "do not send" not in package(folder, "import lib", files).main.read_text()


@pytest.mark.parametrize("name", [".env", "key.pem", "notes.txt"])
def test_package_data_with_credentials(folder: Path, name: str) -> None:
    opening = "-----BEGIN " + "RSA PRIVATE KEY-----"
    files = {"lib/__init__.py": "from importlib import resources", f"lib/data/{name}": opening}
    with pytest.raises(PackagingError, match=rf"'lib/data/{re.escape(name)}' holds credentials"):
        package(folder, "import lib\nprint(lib.resources.files('lib'))", files)


def test_package_data_that_is_too_large(folder: Path) -> None:
    files = {"lib/__init__.py": "from importlib import resources"}
    write(folder, files)
    with (folder / "lib" / "weights.bin").open("wb") as stream:
        stream.truncate(17 << 20)
    with pytest.raises(PackagingError, match=r"weights\.bin: .*too large.*code packager"):
        package(folder, "import lib", files)


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"train.py": "import lib\nimport lib.absent"}, r"train\.py:2"),
        ({"train.py": "import lib", "lib/__init__.py": "\n\nfrom .no import x"}, r"__init__\.py:3"),
        ({"train.py": "def f():\n    import absent"}, r"train\.py:2"),
        ({"train.py": "try:\n    import absent\nexcept ValueError:\n    pass"}, r"train\.py:2"),
        ({"train.py": "import os\nfrom ns import absent", "ns/a.py": ""}, r"train\.py:2"),
        ({"train.py": "from .helper import x", "helper.py": ""}, r"train\.py:1"),
        ({"train.py": "import lib.a", "lib/a.py": "from .... import x"}, r"lib/a\.py:1"),
    ],
)  # fmt: skip
def test_an_import_that_leads_nowhere(folder: Path, files: dict[str, str], where: str) -> None:
    write(folder, {**PACKAGE, **files})
    with pytest.raises(PackagingError, match=rf"{where}: .*(cannot be found|out of its package)"):
        package_script(folder / "train.py", folder.parent / "job")
    assert not (folder.parent / "job").exists()


@pytest.mark.parametrize(
    "script",
    [
        "try:\n    import absent\nexcept ImportError:\n    absent = None",
        "try:\n    import absent\nexcept (KeyError, ModuleNotFoundError):\n    absent = None",
        "try:\n    import json\nexcept ImportError:\n    import absent",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import absent",
        "import sys\nif sys.version_info < (3, 4):\n    import absent",
        "try:\n    import lib\nexcept ImportError:\n    pass",
        "try:\n    import lib.absent\nexcept Exception:\n    pass",
    ],
)
def test_an_import_that_the_program_can_do_without(folder: Path, script: str) -> None:
    files = {"lib/__init__.py": "def f():\n    import absent"}
    run(package(folder, script, files))


def test_what_only_a_container_has_is_named(folder: Path) -> None:
    header = HEADER.format(dependencies="", more='# image = "framework:1"\n')
    text = package(folder, header + "import framework_of_theirs", {}).main.read_text()
    assert "Expects in its container: framework_of_theirs." in text


def test_a_syntax_error_in_a_module(folder: Path) -> None:
    files = {"lib/__init__.py": "", "lib/a.py": "x = 1\ndef f(:\n"}
    with pytest.raises(PackagingError, match=r"lib/a\.py:2: The syntax is wrong"):
        package(folder, "import lib.a", files)


def test_a_module_that_is_no_text(folder: Path) -> None:
    write(folder, {"train.py": "import helper"})
    (folder / "helper.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(PackagingError, match=r"helper\.py: The module is no utf-8 text"):
        package_script(folder / "train.py", folder.parent / "job")


def test_a_binary_extension_module(folder: Path) -> None:
    files = {"lib/__init__.py": "", f"lib/fast{importlib.machinery.EXTENSION_SUFFIXES[0]}": ""}
    with pytest.raises(PackagingError, match=r"lib\.fast is a binary .* Use the code packager"):
        package(folder, "from lib import fast", files)


def test_a_recipe_with_the_name_of_a_standard_module(folder: Path) -> None:
    write(folder, {"json.py": "print('mine')"})
    with pytest.raises(PackagingError, match=r"json\.py: The file has the name of Python's own"):
        package_script(folder / "json.py", folder.parent / "job")


def test_a_helper_with_the_name_of_a_standard_module(folder: Path) -> None:
    with pytest.raises(PackagingError, match=r"random\.py: .*Python's own module 'random'"):
        package(folder, "import random", {"random.py": "def choice(): ..."})


def test_a_script_that_is_not_there(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"train\.py: The script cannot be read"):
        package_script(folder / "train.py", folder.parent / "job")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the user's that is installed, and lies in no workspace."""
    place = tmp_path / "site-packages"
    write(place, {"theirs/__init__.py": "", "theirs/a.py": "NAME = 'a'", "theirs/b.py": ""})
    monkeypatch.syspath_prepend(str(place))
    return place


def test_a_package_of_others_stays_an_import(folder: Path, elsewhere: Path) -> None:
    job = package(folder, "import theirs.a", {})
    assert inside(job) == set()
    assert '#     "theirs",' in job.main.read_text()


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        (["theirs"], {"theirs", "theirs.a"}),
        (["theirs.*"], {"theirs", "theirs.a", "theirs.b"}),
    ],
)
def test_packages_of_the_users_travel_where_that_is_said(
    folder: Path, elsewhere: Path, packages: list[str], expected: set[str]
) -> None:
    job = package(folder, "import theirs.a\nprint(theirs.a.NAME)", {}, packages=packages)
    assert inside(job) == expected
    assert run(job) == "a\n"


def test_the_runspec_may_name_packages(folder: Path, elsewhere: Path) -> None:
    more = '# [tool.runspec.run]\n# packages = ["theirs.*"]\n'
    job = package(folder, HEADER.format(dependencies="", more=more) + "import theirs", {})
    assert inside(job) == {"theirs", "theirs.a", "theirs.b"}


def test_a_folder_of_data_with_the_name_of_a_library_is_no_package(
    folder: Path, elsewhere: Path
) -> None:
    job = package(folder, "import theirs.a", {"theirs/notes.txt": "", "theirs/old.py": ""})
    assert inside(job) == set()


def test_data_in_a_folder_without_init_is_read(folder: Path) -> None:
    read = """
from importlib import resources
import words.reader
print((resources.files("words") / "list.txt").read_text())
"""
    job = package(folder, read, {"words/reader.py": "", "words/list.txt": "one"})
    assert run(job) == "one\n"


def test_a_package_that_is_named_and_nowhere(folder: Path) -> None:
    with pytest.raises(PackagingError, match=r"packages: The package 'absent' cannot be found"):
        package(folder, "", {}, packages=["absent"])


def test_members_of_the_workspace_are_ours_installed_or_not(folder: Path) -> None:
    files = {
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
        "packages/one/pyproject.toml": '[project]\nname = "one-of-us"\nversion = "3.2"\n',
        "packages/one/src/one/__init__.py": "from importlib.metadata import version\n"
        "VERSION = version('one-of-us')\n",
        "recipes/demo/run.py": "import one\nprint(one.VERSION, one.__file__)",
    }
    write(folder, files)
    job = package_script(folder / "recipes/demo/run.py", folder.parent / "job")
    assert run(job) == "3.2 packages/one/src/one/__init__.py\n"
    assert "Inside, of one-of-us 3.2:" in job.main.read_text()


EXTRA = """
[project]
name = "one"
version = "1"
[project.optional-dependencies]
fast = ["absent-accelerator>=2"]
"""


@pytest.mark.parametrize(("extra", "needed"), [("one", False), ("one[fast]", True)])
def test_what_an_extra_provides_is_needed_where_the_extra_is(
    folder: Path,
    extra: str,
    needed: bool,  # noqa: FBT001
) -> None:
    module = "def faster():\n    import absent_accelerator"
    files = {
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["one"]\n',
        "one/pyproject.toml": EXTRA,
        "one/src/one.py": module,
    }
    header = HEADER.format(dependencies=f'"{extra}"', more="")
    text = package(folder, f"{header}import one", files).main.read_text()
    assert ('#     "absent-accelerator>=2",' in text) is needed
    assert ("Imports only when wanted: absent_accelerator." in text) is not needed


def test_what_a_package_imports_and_does_not_declare_must_be_there(folder: Path) -> None:
    files = {
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["one"]\n',
        "one/pyproject.toml": EXTRA,
        "one/src/one.py": "def f():\n    import absent_other",
    }
    with pytest.raises(PackagingError, match=r"one\.py:2: The module 'absent_other' is imported"):
        package(folder, "import one", files)


def test_extras_of_ours_need_not_be_installed_where_one_packages(folder: Path) -> None:
    script = HEADER.format(dependencies='"nemo-runspec"', more="")
    job = package(folder, f"{script}import nemo_runspec.manifest_tracker", {})
    assert "nemo_runspec.manifest_tracker.files.hub_client" in inside(job)
    assert '#     "huggingface' not in job.main.read_text()
    run(job)
