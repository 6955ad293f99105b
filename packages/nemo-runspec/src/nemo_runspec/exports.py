"""Lazy facades: one literal export table read by a module's ``__getattr__``.

A facade lists ``"public name": "owning.module:attribute"`` (or ``"owning.module"`` for a whole
module). Importing the facade imports nothing else; a name whose package is absent raises one
sentence with the install command and breaks no other name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any

from nemo_runspec.errors import MissingDependencyError

OWN_DISTRIBUTIONS = {
    "nemo_runspec": "nemo-runspec",
    "nemotron": "nemotron",
    "nemotron_data_prep": "nemotron-data-prep",
    "nemotron_kit_evaluator": "nemotron-kit-evaluator",
    "nemotron_kit_megatron": "nemotron-kit-megatron",
    "nemotron_kit_nemorl": "nemotron-kit-nemorl",
    "nemotron_kit_wandb": "nemotron-kit-wandb",
}


def lazy_exports(
    facade: str, exports: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Build the ``__getattr__`` and ``__dir__`` of a facade module.

    Args:
        facade: The facade's ``__name__``.
        exports: Public name to ``module:attribute`` or ``module``.

    Returns:
        The two functions, in that order.
    """

    def module_getattr(name: str) -> Any:
        target = exports.get(name)
        if target is None:
            raise AttributeError(f"module {facade!r} has no attribute {name!r}")
        value = _load(target, wanted=f"{facade}.{name}")
        setattr(sys.modules[facade], name, value)
        return value

    def module_dir() -> list[str]:
        return sorted(exports)

    return module_getattr, module_dir


def require(module: str, *, wanted: str, install: str | None = None) -> Any:
    """Import an optional module, or say in one sentence how to get it.

    Args:
        module: Dotted module name.
        wanted: What needs it, for the message.
        install: What to install; by default the distribution of the module's top package.

    Raises:
        MissingDependencyError: The module's top-level package is not installed.
    """
    top_level = module.partition(".")[0]
    if importlib.util.find_spec(top_level) is None:
        distribution = install or OWN_DISTRIBUTIONS.get(top_level, top_level)
        raise MissingDependencyError(
            f"{wanted} needs {distribution}, which is not installed.",
            hint=f"Install it with: pip install {distribution}",
        )
    return importlib.import_module(module)


def _load(target: str, *, wanted: str) -> Any:
    module_name, _, attribute = target.partition(":")
    module = require(module_name, wanted=wanted)
    return getattr(module, attribute) if attribute else module
