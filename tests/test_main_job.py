"""The main job, from the sample data to a checked training job, as a user sees it."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PREP = ("nano3", "data", "prep", "sft", "-c", "sample")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work outside the checkout: the recipes come with the package, and there is no env.toml."""
    for name in ("NEMOTRON_ENV", "NEMOTRON_RECIPES", "NEMOTRON_ARTIFACTS_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def nemotron(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nemotron", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def on_a_terminal(*words: str, columns: int = 100) -> str:
    """Run a command on a pseudo-terminal and return what it shows, without colours."""
    environ = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "nemotron", *words],
        stdin=child,
        stdout=child,
        stderr=child,
        env=environ | {"TERM": "xterm-256color", "COLUMNS": str(columns)},
    )
    os.close(child)
    shown = _read_all(lambda: os.read(parent, 65536))
    os.close(parent)
    assert process.wait() == 0, shown
    assert "\x1b[" in shown
    return ANSI.sub("", shown).replace("\r\n", "\n")


def _read_all(read: Callable[[], bytes]) -> str:
    chunks: list[bytes] = []
    while True:
        try:
            chunk = read()
        except OSError:  # Linux reports the end of a pseudo-terminal this way
            break
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks).decode()


def test_from_the_sample_to_a_checked_training_job(tmp_path: Path) -> None:
    first = nemotron(*PREP)
    assert "─ Step Complete (nano3-sft-data-sample) ─" in first.stdout
    manifest = tmp_path / "artifacts" / "nano3-sft-data-sample" / "v1" / "manifest.json"
    assert re.search(rf"│ Manifest: +{re.escape(str(manifest))} ", first.stdout)
    assert re.search(r"│ Cache: +miss ", first.stdout)

    second = nemotron(*PREP)
    assert re.search(r"│ Cache: +hit", second.stdout)
    assert "nano3-sft-data-sample:v1" in second.stdout

    shown = json.loads(nemotron("artifacts", "show", "nano3-sft-data-sample", "--json").stdout)
    assert shown == json.loads(manifest.read_text())
    assert shown["provenance"]["runspec"] == "nano3/data/prep/sft"
    assert Path(shown["metadata"]["training_path"]).exists()

    lineage = json.loads(nemotron("artifacts", "lineage", shown["name"], "--json").stdout)
    raw_inputs = [node for node in lineage["nodes"] if node["node"] == "raw"]
    assert raw_inputs
    for raw in raw_inputs:
        digest = hashlib.sha256(Path(raw["uri"]).read_bytes()).hexdigest()
        assert raw["revision"] == f"sha256:{digest}"

    plan = json.loads(nemotron("nano3", "sft", "-c", "sample", "--dry-run", "--json").stdout)
    assert plan["inputs"][0]["pinned"] == "nano3-sft-data-sample:v1"
    assert plan["inputs"][0]["path"] == shown["path"]
    assert "${art:" not in json.dumps(plan["train_config"])
    assert shown["metadata"]["training_path"] in json.dumps(plan["train_config"])


def test_the_same_on_a_terminal() -> None:
    shown = on_a_terminal(*PREP)
    lines = shown.splitlines()
    start = next(i for i, line in enumerate(lines) if "Step Complete" in line)
    end = next(i for i, line in enumerate(lines) if i > start and line.startswith("╰"))
    assert {len(line) for line in lines[start : end + 1]} == {len(lines[start])}
    assert len(lines[start]) <= 100
    assert "SFTDataArtifact (as the recipe declares)" in on_a_terminal(
        "nano3", "sft", "-c", "sample", "--dry-run"
    )


def test_help_fits_a_narrow_terminal() -> None:
    shown = on_a_terminal("nano3", "sft", "--help", columns=60)
    boxed = [line for line in shown.splitlines() if line.startswith(("│", "╭", "╰"))]
    assert {len(line) for line in boxed} == {60}


@pytest.mark.parametrize("stage", ["pretrain", "sft", "rl"])
def test_every_stage_goes_from_its_sample_to_a_checked_training_job(stage: str) -> None:
    made = json.loads(nemotron("nano3", "data", "prep", stage, "-c", "sample", "--json").stdout)
    assert made["status"] == "completed"
    assert made["artifacts"][0]["ref"] == f"nano3-{stage}-data-sample:v1"
    plan = json.loads(nemotron("nano3", stage, "-c", "sample", "--dry-run", "--json").stdout)
    assert plan["inputs"][0]["type"] == made["artifacts"][0]["type"]
    assert made["artifacts"][0]["path"] in json.dumps(plan["train_config"])


@pytest.mark.parametrize("stage", ["pretrain", "sft", "rl"])
def test_without_its_data_a_training_job_names_the_command_that_makes_it(stage: str) -> None:
    done = nemotron("nano3", stage, "-c", "sample", "--dry-run", code=1)
    assert f"hint: Run `nemotron nano3 data prep {stage} -c sample` first." in done.stderr
    assert not list(Path.cwd().iterdir())


def test_training_here_says_where_it_runs() -> None:
    nemotron(*PREP, "--quiet")
    done = nemotron("nano3", "sft", "-c", "sample", code=1)
    assert "runs in the container image nvcr.io/nvidia/nemo:26.06" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_root_that_cannot_be_written_to_is_the_reason_for_no_manifest() -> None:
    done = nemotron(*PREP, "--root", "/dev/null/store", code=1)
    assert "─ Step Failed (nano3-sft-data-sample) ─" in done.stdout
    assert "none: the root /dev/null/store cannot be written to" in done.stdout
