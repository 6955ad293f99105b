"""Environments to run programs in: one with the built wheel of all packages, one without."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .programs import JOB, PROGRAMS

PYTHONS = ("3.11", "3.12", "3.13")
THIRD_PARTY = ("fsspec", "omegaconf", "pydantic", "pyyaml")
ALL = (*PROGRAMS, JOB)
PROJECT = """
[project]
name = "programs"
version = "1"

[build-system]
requires = ["uv_build"]
build-backend = "uv_build"

[tool.uv.build-backend]
module-name = [{modules}]
"""


@dataclass(frozen=True)
class Place:
    """The interpreters of two environments of one Python version.

    Attributes:
        installed: Has the packages of all programs, from a wheel, and what others wrote.
        bare: Has what others wrote, and nothing of ours.
    """

    installed: Path
    bare: Path


class Places:
    """Makes environments as they are asked for.

    Args:
        folder: Where they are to be; nothing is there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.at = functools.cache(self._make)

    @functools.cached_property
    def wheel(self) -> Path:
        """The packages of all programs, built."""
        project = self._folder / "project"
        project.mkdir()
        sources = [program.source / name for program in ALL for name in program.packages]
        for source in sources:
            # A second package of this name is an error here.
            shutil.copytree(source, project / "src" / source.name)
        listed = ", ".join(f'"{source.name}"' for source in sources)
        (project / "pyproject.toml").write_text(PROJECT.format(modules=listed), encoding="utf-8")
        uv("build", "--wheel", "--offline", f"--out-dir={self._folder / 'dist'}", str(project))
        (wheel,) = (self._folder / "dist").glob("*.whl")
        return wheel

    def _make(self, python: str) -> Place:
        needed = [f"{name}=={importlib.metadata.version(name)}" for name in THIRD_PARTY]
        bare = self._environment(f"{python}-bare", python, *needed)
        installed = self._environment(f"{python}-installed", python, str(self.wheel))
        theirs = f"lib/python{python}/site-packages"
        (installed / theirs / "others.pth").write_text(f"{bare / theirs}\n", encoding="utf-8")
        return Place(installed / "bin" / "python", bare / "bin" / "python")

    def _environment(self, name: str, python: str, *what: str) -> Path:
        folder = self._folder / name
        uv("venv", f"--python={python}", str(folder))
        uv("pip", "install", f"--python={folder}", *what)
        return folder


def uv(*arguments: str) -> None:
    """Run uv, in a folder where it finds no project."""
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            ["uv", *arguments],
            cwd=elsewhere,
            env={**os.environ, "PATH": os.pathsep.join(_programs())},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr


def _programs() -> list[str]:
    """Put pyenv's interpreters before its shims, which answer for one version only."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [folder for python in PYTHONS for folder in root.glob(f"versions/{python}.*/bin")]
    return [*map(str, found), os.environ["PATH"]]
