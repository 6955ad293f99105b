"""The test server and its fixtures; under importlib mode a test folder is on no path by itself."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from ssh_server.fixtures import server, shared_server, target

__all__ = ["server", "shared_server", "target"]
