"""The test server and its fixtures; under importlib mode a test folder is on no path by itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nemo_runspec.artifacts.scope import CURRENT

sys.path.insert(0, str(Path(__file__).parents[1]))

from wandb_server.fixtures import own_world, server

__all__ = ["own_world", "server"]


@pytest.fixture(autouse=True)
def _no_tracking_left():
    """A command that ran in this process leaves its tracking behind."""
    before = CURRENT.set(None)
    yield
    CURRENT.set(before)
