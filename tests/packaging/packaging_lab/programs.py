"""The programs of the corpus: where they lie, what they claim, and what they import."""

from __future__ import annotations

import ast
import shutil
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "programs"
SURVIVES = "Survives pasting: "


@dataclass(frozen=True)
class Program:
    """A script, the modules beside it, and the packages that it would find installed.

    Attributes:
        name: The name of its folder.
        folder: Where the script lies; packages lie in ``src`` below.
        started: The name of the script.
    """

    name: str
    folder: Path
    started: str = "run.py"

    @property
    def script(self) -> Path:
        return self.folder / self.started

    @property
    def source(self) -> Path:
        return self.folder / "src"

    @property
    def packages(self) -> list[str]:
        return sorted(item.name for item in self.source.iterdir() if item.is_dir())

    @property
    def files(self) -> list[str]:
        """Every Python file, relative to the script's folder or to that of the packages."""
        beside = [file.relative_to(self.folder) for file in self.beside()]
        packaged = [file.relative_to(self.source) for file in self.source.rglob("*.py")]
        return sorted(map(str, [*beside, *packaged]))

    @property
    def modules(self) -> dict[str, Path]:
        """Every module but the script by its dotted name."""
        files = {file: file.relative_to(self.folder) for file in self.beside()}
        files |= {file: file.relative_to(self.source) for file in self.source.rglob("*.py")}
        return {_dotted(path): file for file, path in files.items() if file != self.script}

    @property
    def survives_pasting(self) -> bool:
        """Whether the docstring says that pasting does the program no harm, and why."""
        docstring = ast.get_docstring(ast.parse(self.script.read_bytes())) or ""
        claims = [line for line in docstring.splitlines() if line.startswith(SURVIVES)]
        return bool(claims)

    def beside(self) -> list[Path]:
        """Return the script and the modules that lie beside it."""
        files = [file for file in self.folder.rglob("*.py") if self.source not in file.parents]
        return sorted(files)

    def copy_script(self, target: Path) -> Path:
        """Copy the script's folder without the packages, and return the script's copy."""
        shutil.copytree(
            self.folder, target, ignore=shutil.ignore_patterns("src", "__pycache__", "ruff.toml")
        )
        return target / self.started


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PROGRAMS = [
    Program(script.parent.name, script.parent) for script in sorted(FOLDER.glob("*/run.py"))
]
JOB = Program("job", FOLDER.parent / "job", "train.py")
