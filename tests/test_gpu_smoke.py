"""The run on a GPU, without one: to its refusals, and on the framework's double to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "gpu_smoke.sh"
DOUBLE = ROOT / "packages" / "nemotron-kit-megatron" / "tests" / "double"
TORCH = """
class cuda:
    is_available = staticmethod(lambda: {found})
    get_device_name = staticmethod(lambda _index: "a double's")
"""
# In torchrun's place: one process, with its place in the job.
TORCHRUN = """
import os, sys

script = next(at for at, word in enumerate(sys.argv) if at and word.endswith(".py"))
os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
os.execv(sys.executable, [sys.executable, *sys.argv[script:]])
"""


@pytest.fixture
def smoke(tmp_path):
    """Starts the script with a torch that finds a GPU or none, and with the double or without."""

    def start(*, gpu, framework=False):
        folder = tmp_path / "frameworks"
        run = folder / "torch" / "distributed" / "run.py"
        run.parent.mkdir(parents=True, exist_ok=True)
        run.write_text(TORCHRUN, "utf-8")
        (run.parent / "__init__.py").touch()
        (folder / "torch" / "__init__.py").write_text(TORCH.format(found=gpu), "utf-8")
        places = [str(folder), *([str(DOUBLE)] if framework else [])]
        environ = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": os.pathsep.join(places)}
        command = [str(SCRIPT), str(tmp_path / "out")]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    return start


@pytest.mark.parametrize(
    ("gpu", "code", "sentence"),
    [
        (
            False,
            3,
            (
                "there is no GPU to run on (AssertionError: torch sees no CUDA device): "
                "start this on a machine with a CUDA GPU and a torch built for it."
            ),
        ),
        (
            True,
            4,
            (
                "Megatron-Bridge cannot be imported (ModuleNotFoundError: No module named "
                "'megatron'): install it with Transformer Engine, or start this in its container."
            ),
        ),
    ],
)
def test_what_is_missing_is_one_sentence_and_nothing_is_left(smoke, tmp_path, gpu, code, sentence):
    done = smoke(gpu=gpu)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr == f"gpu_smoke: {sentence}\n"
    assert not (tmp_path / "out").exists()


def test_on_the_double_it_trains_tunes_and_finds_the_whole_lineage(smoke, tmp_path):
    done = smoke(gpu=True, framework=True)
    assert (done.returncode, done.stderr) == (0, "")
    out = tmp_path / "out"
    nodes = json.loads((out / "lineage.json").read_text("utf-8"))["nodes"]
    assert {node["ref"] for node in nodes if node["node"] == "artifact"} == {
        "nano3-sft-model-sample:v2",
        "nano3-sft-data-sample:v1",
        "nano3-pretrain-model-sample:v2",
        "nano3-pretrain-data-sample:v1",
    }
    report = (out / "report.md").read_text("utf-8")
    assert "- GPU: a double's\n" in report
    for step in ("prepare-text", "prepare-conversations", "pretrain", "fine-tune"):
        assert f"| {step} | " in report


def test_a_step_that_fails_is_named_with_its_log(smoke, tmp_path):
    (tmp_path / "out" / "output").mkdir(parents=True)
    (tmp_path / "out" / "output" / "nano3").write_text("a file where a folder should be", "utf-8")
    done = smoke(gpu=True, framework=True)
    assert done.returncode == 1
    log = tmp_path / "out" / "logs" / "prepare-text.log"
    assert done.stderr.endswith(f"The step prepare-text failed; its log is {log}.\n")
