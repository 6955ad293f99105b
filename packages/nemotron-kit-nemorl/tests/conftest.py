from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from nemo_runspec.artifacts import setup_artifact_tracking


@pytest.fixture
def nemo_rl_checkpoint(monkeypatch):
    """The module that holds NeMo-RL's checkpoint manager."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "double"))
    yield importlib.import_module("nemo_rl.utils.checkpoint")
    for name in [name for name in sys.modules if name.partition(".")[0] == "nemo_rl"]:
        del sys.modules[name]


@pytest.fixture
def tracking(tmp_path):
    config = {
        "run": {"output": "nano3-rl-model"},
        "artifacts": {"manifest": {"root": str(tmp_path / "store")}},
    }
    with setup_artifact_tracking(config) as active:
        yield active
