"""Random trees of packages do the same installed and packaged."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from packaging_lab.jobs import package
from packaging_lab.outcomes import Outcome, run
from packaging_lab.trees import Tree, trees

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=50, deadline=None, suppress_health_check=SLOW, derandomize=True)
@given(trees())
def test_random_packages_do_the_same_installed_and_packaged(tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        script = tree.write(Path(folder, "tree"))
        main = packaged(script, tree, Path(folder, "packaged"))
        assert output(main, tree) == output(script, tree)
        moved = tree.write(Path(folder, "moved"))
        again = packaged(moved, tree, Path(folder, "packaged again"))
        assert again.read_bytes() == main.read_bytes()


def packaged(script: Path, tree: Tree, output_folder: Path) -> Path:
    """Package a tree that lies around a script."""
    return package(script, script.parent / "src", tree.packages, output_folder)


def output(script: Path, tree: Tree) -> Outcome:
    """Run a script with nothing but its own packages: only the source tree has ``src``."""
    command = [sys.executable, "-S", script.name]
    environment = {"PYTHONPATH": str(script.parent / "src")}
    return run(command, tree.files, cwd=script.parent, environment=environment)
