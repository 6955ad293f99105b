"""Install the importer, and make ``main.py`` the recipe."""

from __future__ import annotations

import atexit
import linecache
import os
import sys
from types import CodeType, ModuleType
from typing import Any

from .contents import PACKAGE, Contents
from .loading import EmbeddedFinder, EmbeddedLoader
from .needs import require
from .tracebacks import show_sources_in_tracebacks, show_sources_of_the_ignored


def start(namespace: dict[str, Any], contents: Contents) -> CodeType:
    """Install the importer, once a process, and make the module ready for the recipe's code.

    Args:
        namespace: The globals of ``main.py``; what its first lines defined is removed.
        contents: What it holds.

    Returns:
        The recipe's code; in a worker that only needs the importer, nothing to do.
    """
    file = os.path.abspath(str(namespace.get("__file__", "main.py")))  # noqa: PTH100
    contents = _install(contents, file)
    if namespace["__name__"] == PACKAGE:
        return compile("", file, "exec")
    if namespace["__name__"] == "__main__":
        require(contents.about["requirements"])
        show_sources_in_tracebacks(file, namespace.get("__file__"))
        atexit.register(contents.bytecode.save)
    own = {name for name in namespace if not (name.startswith("__") and name.endswith("__"))}
    for name in own:
        del namespace[name]
    loader = EmbeddedLoader(namespace["__name__"], contents.recipe, contents)
    namespace["__doc__"] = None
    namespace["__loader__"] = loader
    code = loader.get_code(loader.name)
    # Classes of a script are looked up by its __file__, which is main.py.
    for path in {file, str(namespace.get("__file__"))}:
        linecache.cache[path] = linecache.cache[contents.recipe]
    return code


def _install(contents: Contents, file: str) -> Contents:
    present = sys.modules.get(PACKAGE)
    if present is not None and present.CONTENTS.about["digest"] == contents.about["digest"]:
        found: Contents = present.CONTENTS
        return found
    contents.bytecode.open(file)
    package = ModuleType(PACKAGE, "What a packaged main.py holds.")
    package.CONTENTS = contents  # type: ignore[attr-defined]
    package.PROVENANCE = contents.about["provenance"]  # type: ignore[attr-defined]
    sys.modules[PACKAGE] = package
    show_sources_of_the_ignored()
    finder = EmbeddedFinder(contents, file)
    sys.meta_path.insert(0, finder)
    sys.path_hooks.insert(0, finder.folder_hook)
    return contents
