from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from nemo_runspec.artifacts import setup_artifact_tracking


@pytest.fixture
def wandb_utils(monkeypatch):
    """The module that training code reaches its checkpoint hook through."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "double"))
    yield importlib.import_module("megatron.bridge.training.utils.wandb_utils")
    for name in [name for name in sys.modules if name.partition(".")[0] == "megatron"]:
        del sys.modules[name]


@pytest.fixture
def tracking(tmp_path):
    config = {
        "run": {"output": "nano3-sft-model"},
        "artifacts": {"manifest": {"root": str(tmp_path / "store")}},
    }
    with setup_artifact_tracking(config) as active:
        yield active


@pytest.fixture
def checkpoint(tmp_path):
    """Writes the directory of one iteration, as training does before it calls the hook."""

    def write(iteration: int) -> tuple[str, str]:
        save_dir = tmp_path / "checkpoints"
        path = save_dir / f"iter_{iteration:07d}"
        path.mkdir(parents=True)
        (path / "run_config.yaml").write_text(f"iteration: {iteration}\n", "utf-8")
        return str(path), str(save_dir)

    return write
