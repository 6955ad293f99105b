"""The modules that Megatron-Bridge really ships, without what only a GPU machine can import.

An empty package with the right path stands in for ``megatron.bridge``, whose ``__init__`` needs a
GPU library. Where torch is not installed, a module of one function stands in for the framework's
helpers: it is all that the hooks' modules take from them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import PathFinder
from types import ModuleType

import pytest


@pytest.fixture
def bridge_module(monkeypatch):
    """Imports a module of the installed release by its name below ``megatron.bridge``."""
    folder = PathFinder.find_spec("megatron", sys.path).submodule_search_locations
    spec = PathFinder.find_spec("megatron.bridge", list(folder))
    package = ModuleType("megatron.bridge")
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    monkeypatch.setitem(sys.modules, "megatron.bridge", package)
    if importlib.util.find_spec("torch") is None:
        helpers = ModuleType("megatron.bridge.utils.common_utils")
        helpers.print_rank_last = print
        monkeypatch.setitem(sys.modules, helpers.__name__, helpers)
    yield lambda name: importlib.import_module(f"megatron.bridge.{name}")
    for name in [name for name in sys.modules if name.startswith("megatron.bridge.")]:
        del sys.modules[name]
