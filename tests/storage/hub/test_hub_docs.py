"""The commands of the how-to page hold, on a Hub of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import FakeHub

CHECKOUT = Path(__file__).parents[3]


def commands(heading: str) -> str:
    """The shell block below a heading of the page."""
    page = (CHECKOUT / "docs" / "how-to" / "share-artifacts.md").read_text(encoding="utf-8")
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return section.partition("```bash needs=network\n")[2].partition("```")[0]


def test_the_commands_of_the_page(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(CHECKOUT / "recipes", tmp_path / "recipes")
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    script = f"set -euo pipefail\n{commands('On the Hugging Face Hub')}"
    ran = subprocess.run(
        ["bash", "-c", script], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.endswith("nano3-sft-data-sample\n")
    made = hub.repos["models", "my-team/artifacts"]
    assert "nano3-sft-data-sample/v1/manifest.json" in made.at("main").tree
