"""What holds for the repository as a whole."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(file.parent for file in ROOT.glob("packages/*/pyproject.toml"))
EACH_PACKAGE = pytest.mark.parametrize("package", PACKAGES, ids=lambda folder: folder.name)
FRAGMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(breaking|added|changed|fixed)\.md")


def project(folder: Path) -> dict[str, object]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pythons(folder: Path) -> tuple[object, list[str]]:
    table = project(folder)
    classifiers = [text for text in table["classifiers"] if text.startswith("Programming")]
    return table["requires-python"], classifiers


@EACH_PACKAGE
def test_a_package_supports_the_pythons_of_the_workspace(package):
    assert pythons(package) == pythons(ROOT)


@EACH_PACKAGE
def test_a_package_ships_the_licence_of_the_repository(package):
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert project(package)["license"] == "Apache-2.0"


@EACH_PACKAGE
def test_a_package_is_typed_has_a_readme_and_tests(package):
    module = package / "src" / package.name.replace("-", "_")
    assert (module / "py.typed").is_file()
    assert (package / "README.md").read_text(encoding="utf-8").startswith(f"# {package.name}\n")
    assert list((package / "tests").glob("test_*.py"))


def test_news_fragments_have_names_that_a_release_understands():
    names = {file.name for file in (ROOT / "changelog.d").iterdir()} - {"README.md"}
    assert [name for name in sorted(names) if not FRAGMENT.fullmatch(name)] == []


def test_the_test_command_of_ci_is_that_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\nuvx nox\n" in readme
    assert "\nuvx nox 2>&1" in script
