"""Recipe metadata: the ``[tool.runspec]`` table of a script's PEP 723 block.

Only the standard library is imported here, so that the command line can start quickly.
"""

from __future__ import annotations

from nemo_runspec.runspec.discovery import (
    DiscoveredRecipes,
    discover_recipes,
    recipe_folders,
)
from nemo_runspec.runspec.model import (
    ArtifactDeclarations,
    ConfigSettings,
    ResourceSettings,
    RunSettings,
    Runspec,
)
from nemo_runspec.runspec.parsing import parse

__all__ = [
    "ArtifactDeclarations",
    "ConfigSettings",
    "DiscoveredRecipes",
    "ResourceSettings",
    "RunSettings",
    "Runspec",
    "discover_recipes",
    "parse",
    "recipe_folders",
]
