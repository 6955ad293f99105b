from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

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


class Bridge:
    """The framework's stand-in, of one generation."""

    def __init__(self, monkeypatch, save_dir):
        self._monkeypatch = monkeypatch
        self.save_dir = save_dir
        self.pretrain = importlib.import_module("megatron.bridge.training.pretrain").pretrain
        self.finetune = importlib.import_module("megatron.bridge.training.finetune").finetune

    def without_save_event(self):
        """As 0.3 and 0.4 are."""
        module = importlib.import_module("megatron.bridge.training.callbacks")
        events = module.VALID_EVENTS - {"on_checkpoint_save"}
        self._monkeypatch.setattr(module, "VALID_EVENTS", events)
        self._monkeypatch.delattr(module.Callback, "on_checkpoint_save")
        module = importlib.import_module("megatron.bridge.training.finetune")
        self.finetune = module.finetune_of_0_3

    def config(self, iterations=4, *, start=0, **checkpoint):
        defaults = {
            "save": str(self.save_dir),
            "save_interval": 2,
            "non_persistent_ckpt_type": None,
            "non_persistent_global_ckpt_dir": None,
            "non_persistent_save_interval": None,
            "restart_points": (),
            "most_recent_k": -1,
            "async_save": False,
        }
        return SimpleNamespace(
            start=start,
            train=SimpleNamespace(train_iters=iterations),
            checkpoint=SimpleNamespace(**defaults | checkpoint),
            wandb_logger=None,
            barrier=lambda: None,
        )


@pytest.fixture
def bridge(wandb_utils, monkeypatch, tmp_path):
    return Bridge(monkeypatch, tmp_path / "checkpoints")
