"""What a packaged ``main.py`` holds, by name and by path."""

from __future__ import annotations

import linecache
import os
from collections.abc import Mapping
from typing import Any

from .bytecode import Bytecode

PACKAGE = "_nemotron_package"
SOURCE_ROOT_VARIABLE = "NEMOTRON_SOURCE_ROOT"


class Contents:
    """What a ``main.py`` holds.

    Args:
        about: Where it comes from; ``digest`` names the content.
        recipe: Path of the recipe, relative to the workspace.
        modules: Name to path of its file; of a folder without ``__init__.py`` to a path that ends
            in ``/``.
        files: Path to source text, or to the bytes of package data.
    """

    def __init__(
        self,
        about: Mapping[str, Any],
        recipe: str,
        modules: Mapping[str, str],
        files: Mapping[str, str | bytes],
    ) -> None:
        root = os.environ.get(SOURCE_ROOT_VARIABLE)
        prefix = os.path.join(os.path.abspath(root), "") if root else ""  # noqa: PTH100, PTH118
        self.about = about
        self.recipe = prefix + recipe
        self.modules = {name: prefix + path for name, path in modules.items()}
        self.files = {prefix + path: content for path, content in files.items()}
        self.bytecode = Bytecode(str(about["digest"]) + prefix)

    def text(self, path: str) -> str:
        """The text of a file, and at the same time what tracebacks and debuggers show of it."""
        content = self.files[path]
        text = content if isinstance(content, str) else content.decode()
        # Lines end at line feeds alone, as those of files do.
        lines = [f"{line}\n" for line in text.removesuffix("\n").split("\n")]
        # Debuggers make paths absolute before they look lines up.
        for name in (path, os.path.abspath(path)):  # noqa: PTH100
            linecache.cache[name] = (len(text), None, lines, name)
        return text

    def data(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            OSError: There is no such file.
        """
        content = self.files.get(path)
        if content is None:
            raise FileNotFoundError(f"{path} is not in this main.py")
        return content.encode() if isinstance(content, str) else content

    def children(self, folder: str) -> dict[str, bool]:
        """Name what lies in a folder, and whether that is a folder."""
        found: dict[str, bool] = {}
        for path in (*self.files, *self.modules.values()):
            if path.startswith(folder):
                name, slash, _ = path[len(folder) :].partition("/")
                if name:
                    found[name] = found.get(name, False) or bool(slash)
        return found
