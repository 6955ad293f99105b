"""A recipe of this repository runs from the tree that was sent, and makes the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_runspec.packaging.code import CodePackager, SshTarget

ROOT = Path(__file__).parents[2]
STAGE = Path("recipes/nano3/stage1_sft")
CONFIG = STAGE / "config" / "data_prep" / "sample.yaml"


def run(cwd: Path, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    cwd.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def outputs(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*.parquet") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.timeout(400)
def test_prepared_data_is_the_same_from_the_workspace_and_from_the_tree(
    target: SshTarget, tmp_path: Path
) -> None:
    script = ROOT / STAGE / "data_prep.py"
    sent = CodePackager(script=script, config=ROOT / CONFIG).send(ROOT, target, job="sft")
    job = Path(str(sent.job))
    here = run(tmp_path / "here", script, "--config", ROOT / CONFIG, "workers=1")
    assert here.returncode == 0, here.stderr
    there = run(tmp_path / "there", job / "main.py", "--config", job / "config.yaml", "workers=1")
    assert there.returncode == 0, there.stderr
    assert outputs(tmp_path / "there") == outputs(tmp_path / "here")
    assert outputs(tmp_path / "there")
    lost = run(tmp_path / "there", job / "main.py", "--config", "gone.yaml", NEMOTRON_DEBUG="1")
    assert lost.returncode == 2
    for package in ("nemo-runspec", "nemotron-data-prep"):
        assert f"{job}/code/packages/{package}/src/" in lost.stderr
        assert f"{ROOT}/packages/{package}" not in lost.stderr
