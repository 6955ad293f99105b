"""Which Megatron-Bridge is installed, and what to say where it does not fit."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from nemo_runspec.patching import PatchError

PACKAGE = "megatron.bridge"
WORKS = "Releases 0.3 to 0.6 work; the recipe's container brings one."

_DISTRIBUTION = "megatron-bridge"


def installed_version() -> str | None:
    """The release of Megatron-Bridge that is installed; None where that is not known."""
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return None


def is_installed() -> bool:
    """Tell whether Megatron-Bridge can be imported from here; it is not imported."""
    return has_module(PACKAGE)


def has_module(name: str) -> bool:
    """Tell whether a module is there, importing no more than the packages that hold it."""
    if name in sys.modules:
        return sys.modules[name] is not None
    try:
        return find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def find_module(name: str) -> Any:
    """Import a module of Megatron-Bridge; None where the installed version lacks it."""
    return importlib.import_module(name) if has_module(name) else None


def refuse_missing() -> None:
    """Raise where Megatron-Bridge is not installed.

    Raises:
        PatchError: It is not.
    """
    if not is_installed():
        raise PatchError(
            "megatron.bridge cannot be imported (it is not installed).",
            hint="Apply the hooks in the environment that runs the framework.",
        )


def described() -> str:
    """The installed release in words."""
    found = installed_version()
    return "Megatron-Bridge" if found is None else f"Megatron-Bridge {found}"
