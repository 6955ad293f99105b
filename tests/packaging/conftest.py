"""Environments that the tests of packaged programs share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Under importlib mode a test folder is on no path.
sys.path.insert(0, str(Path(__file__).parent))

from packaging_lab.places import Places


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Environments with and without the packages of all programs."""
    return Places(tmp_path_factory.mktemp("places"))
