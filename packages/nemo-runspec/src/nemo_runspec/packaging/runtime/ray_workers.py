"""Have the workers of Ray, which never run ``main.py``, install the importer too."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .contents import PACKAGE


def with_setup_hook(init: Callable[..., Any], file: str) -> Callable[..., Any]:
    """Make a ``ray.init`` whose workers install the importer first.

    Args:
        init: Ray's own.
        file: The ``main.py``.
    """
    from functools import wraps

    @wraps(init)
    def with_hook(address: str | None = None, *args: Any, **settings: Any) -> Any:
        target = address or os.environ.get("RAY_ADDRESS") or ""
        if not target.startswith("ray://"):
            environment = dict(settings.get("runtime_env") or {})
            theirs = environment.get("worker_process_setup_hook")
            environment["worker_process_setup_hook"] = setup_hook(file, theirs)
            settings["runtime_env"] = environment
        return init(address, *args, **settings)

    return with_hook


def setup_hook(file: str, also: Callable[[], None] | str | None = None) -> Callable[[], None]:
    """Make what installs the importer in a process that did not run ``main.py``.

    Args:
        file: The ``main.py``; its text travels inside the function.
        also: The hook that the program has of its own, a function or ``module.function``.

    Returns:
        A function that cloudpickle sends by value.
    """
    with open(file, encoding="utf-8") as stream:  # noqa: PTH123 - pathlib costs start-up time
        text = stream.read()
    package = PACKAGE

    def install() -> None:
        namespace = {"__name__": package, "__file__": file}
        exec(compile(text, file, "exec"), namespace)  # noqa: S102
        if isinstance(also, str):
            from importlib import import_module

            module, _, name = also.rpartition(".")
            getattr(import_module(module), name)()
        elif also is not None:
            also()

    return install
