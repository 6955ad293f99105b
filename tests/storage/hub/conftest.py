"""A fake Hub for each test; under importlib mode a test folder is on no path by itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_hub import WRITER, FakeHub, running_hub
from huggingface_hub import close_session, constants

ROOT = "hf://team/artifacts/manifests"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A Hub with the repository team/artifacts, and a writer who is logged in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", WRITER)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.create("team/artifacts")
        yield hub
        close_session()
    assert hub.unexpected == []


@pytest.fixture
def root(hub: FakeHub) -> str:
    """A folder of that repository."""
    return ROOT
