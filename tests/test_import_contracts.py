"""The contracts of pyproject.toml catch the imports that they are there to forbid."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(folder.name for folder in (ROOT / "packages").iterdir() if folder.is_dir())


@pytest.fixture
def workspace(tmp_path):
    """A copy of the sources and of the contracts, to be broken."""
    for name in PACKAGES:
        source = Path("packages", name, "src")
        shutil.copytree(ROOT / source, tmp_path / source)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(workspace: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    sources = [str(workspace / "packages" / name / "src") for name in PACKAGES]
    chosen = [f"--contract={contract}" for contract in contracts]
    return subprocess.run(
        ["lint-imports", "--no-logo", "--no-cache", *chosen],
        cwd=workspace,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sources)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_sources_as_they_stand_keep_every_contract(workspace):
    result = lint(workspace)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 broken." in result.stdout


@pytest.mark.parametrize(
    ("contract", "module", "imported"),
    [
        ("core-stands-alone", "nemo_runspec/broken.py", "nemotron"),
        ("core-stands-alone", "nemo_runspec/broken.py", "nemotron_kit_wandb"),
        ("data-prep-to-core", "nemotron_data_prep/broken.py", "nemotron_kit_nemorl"),
        ("evaluator-to-core", "nemotron_kit_evaluator/broken.py", "nemotron_kit_wandb"),
        ("megatron-to-core", "nemotron_kit_megatron/broken.py", "nemotron_kit_wandb"),
        ("nemorl-to-core", "nemotron_kit_nemorl/broken.py", "nemotron_kit_megatron"),
        ("wandb-to-core", "nemotron_kit_wandb/broken.py", "nemotron"),
        ("command-to-core", "nemotron/broken.py", "nemotron_data_prep"),
        ("command-to-core", "nemotron/cli/broken.py", "nemotron_kit_wandb"),
        ("core-layers", "nemo_runspec/errors.py", "nemo_runspec.artifacts"),
        ("core-layers", "nemo_runspec/runspec/broken.py", "nemo_runspec.config"),
        ("data-prep-layers", "nemotron_data_prep/sft/broken.py", "nemotron_data_prep.rl"),
        ("data-prep-layers", "nemotron_data_prep/sources/broken.py", "nemotron_data_prep.runs"),
        ("headers-are-stdlib-only", "nemo_runspec/runspec/broken.py", "omegaconf"),
        ("headers-are-stdlib-only", "nemo_runspec/env_toml.py", "nemo_runspec.artifacts.base"),
        ("wandb-in-its-adapter", "nemo_runspec/broken.py", "wandb"),
        ("megatron-in-its-adapter", "nemotron_kit_nemorl/broken.py", "megatron.bridge"),
        ("nemorl-in-its-adapter", "nemotron/broken.py", "nemo_rl.utils"),
        ("evaluator-apart", "nemotron_kit_evaluator/broken.py", "nemo_evaluator.api"),
        ("no-heavy-frameworks", "nemotron_data_prep/broken.py", "torch"),
        ("ray-in-its-engine", "nemotron_data_prep/engines/ray_worker.py", "ray"),
        ("terminal-in-the-command", "nemo_runspec/broken.py", "rich.console"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(workspace, contract, module, imported):
    distribution = module.partition("/")[0].replace("_", "-")
    file = workspace / "packages" / distribution / "src" / module
    with file.open("a", encoding="utf-8") as stream:
        stream.write(f"\n\ndef _forbidden():\n    import {imported}\n")
    result = lint(workspace, contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert " 1 broken." in result.stdout
    assert imported.partition(".")[0] in result.stdout


def test_nemo_run_is_imported_by_name_in_its_own_two_places_alone():
    """The modules of it that a function asks for are text, which import-linter does not see."""
    allowed = ("nemo_runspec/execution/nemo_run/", "nemo_runspec/packaging/nemo_run/")
    places = [
        file.relative_to(ROOT / "packages" / name / "src").as_posix()
        for name in PACKAGES
        for file in (ROOT / "packages" / name / "src").rglob("*.py")
        if any(word.partition(".")[0] == "nemo_run" for word in imported_by_name(file))
    ]
    assert places
    assert [place for place in places if not place.startswith(allowed)] == []


def imported_by_name(file: Path) -> Iterator[str]:
    """The modules that calls of a module name as text."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
        first = node.args[0]
        if name in {"require", "import_module", "__import__"} and isinstance(first, ast.Constant):
            yield str(first.value)
