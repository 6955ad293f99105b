"""A packaged job under torch's launcher does what the job does from its source tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from nemo_runspec.packaging import package_script

JOB = Path(__file__).parent / "torch_job"
TORCHRUN = (str(Path(sys.executable).with_name("torchrun")),)
AS_A_MODULE = (sys.executable, "-m", "torch.distributed.run")
OPTIONS = ("--standalone", "--nproc-per-node=2")
FOUND = {"rank": 0, "size": 2, "total": 15 * 3, "ship": "Ship(number=7)", "local_world_size": "2"}


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(JOB / "src")
        folder = tmp_path_factory.mktemp("job") / "packaged"
        return package_script(JOB / "train.py", folder, packages=["fleet"]).main


def launch(launcher: Sequence[str], script: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*launcher, *OPTIONS, script.name, *words]
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    environ["OMP_NUM_THREADS"] = "1"
    return subprocess.run(
        command, cwd=script.parent, env=environ, capture_output=True, text=True, check=False
    )


def test_ranks_meet_load_and_exchange_objects_under_torchrun(main: Path) -> None:
    done = launch(TORCHRUN, main, "--config", "config.yaml", "a.b=1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == FOUND | {"arguments": ["--config", "config.yaml", "a.b=1"]}


def test_a_rank_that_fails_shows_its_lines_and_fails_the_job(main: Path) -> None:
    done = launch(AS_A_MODULE, main, "sink")
    assert done.returncode == 1
    assert json.loads(done.stdout) == FOUND | {"arguments": ["sink"]}
    said = [line for line in done.stderr.splitlines() if line.startswith("[rank0]:")]
    shown = [line.removeprefix("[rank0]:").strip() for line in said]
    frames = (
        *(("train.py", "main()", "<module>"), ("train.py", 'ring.sink(found["rank"])', "main")),
        ("src/fleet/ring.py", 'raise RuntimeError("man overboard")', "sink"),
    )
    assert shown[0] == "Traceback (most recent call last):"
    for number, (name, line, function) in enumerate(frames):
        place, source = shown[2 * number + 1 : 2 * number + 3]
        assert place.endswith(f'{name}", line {line_number(JOB / name, line)}, in {function}')
        assert source == line
    assert shown[7:] == ["RuntimeError: man overboard"]


def line_number(file: Path, line: str) -> int:
    lines = [text.strip() for text in file.read_text(encoding="utf-8").splitlines()]
    return lines.index(line) + 1
