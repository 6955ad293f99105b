"""The ``main.py`` that runs a recipe from a tree that was sent along."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from nemo_runspec.packaging.code.tree import CodeTree

CODE_FOLDER = "code"
_PROJECT_FILES = frozenset({"pyproject.toml", "setup.py", "setup.cfg"})
# Projects that stand below these are examples and what tests play with.
_NOT_OURS = frozenset({"tests", "test", "testdata", "fixtures", "examples", "docs", "benchmarks"})

_LAUNCHER = '''\
"""Run a recipe from the code that lies in `{folder}` beside this file: {script}"""

import importlib.machinery
import os
import sys

SCRIPT = {script!a}
IMPORT_ROOTS = {roots!a}


def prepare():
    """Become the script: its name, its folder, its imports, here and in every child process."""
    code = os.path.join(os.path.dirname(os.path.abspath(__file__)), {folder!a})
    script = os.path.join(code, *SCRIPT.split("/"))
    try:
        with open(script, "rb") as stream:
            source = stream.read()
    except OSError as error:
        sys.exit(f"error: {{script}}: The job's code is not here: {{error.strerror}}.")
    roots = [os.path.normpath(os.path.join(code, root)) for root in IMPORT_ROOTS]
    if sys.flags.safe_path:
        sys.path[:0] = roots
    else:
        sys.path[:1] = [os.path.dirname(script), *roots]
    inherited = [path for path in [os.environ.get("PYTHONPATH")] if path]
    os.environ["PYTHONPATH"] = os.pathsep.join([*roots, *inherited])
    sys.argv[0] = script
    compiled = compile(source, script, "exec", dont_inherit=True)
    loader = importlib.machinery.SourceFileLoader("__main__", script)
    names = globals()
    for name in set(names) - {{"__name__", "__builtins__"}}:
        del names[name]
    names.update(__file__=script, __loader__=loader, __spec__=None, __package__=None, __doc__=None)
    names.update(__cached__=None)
    return compiled


exec(prepare())
'''


def launcher_source(script: str, roots: Sequence[str]) -> str:
    """Write the launcher of one recipe.

    Args:
        script: The recipe's path in the tree, with slashes.
        roots: Folders of the tree that its packages are imported from.
    """
    return _LAUNCHER.format(folder=CODE_FOLDER, script=script, roots=tuple(roots))


def import_roots(tree: CodeTree) -> tuple[str, ...]:
    """Find the folders that the packages of a tree are imported from.

    These are ``src`` beside each project's file (``pyproject.toml``, ``setup.py``, ``setup.cfg``),
    or the folder of that file where packages lie in it. Projects below ``tests``, ``examples``,
    ``docs`` and the like do not count.

    Returns:
        Paths relative to the tree's top; the top itself is ``.``. Projects nearer to it come first.
    """
    paths = [entry.path for entry in tree.entries]
    folders = {PurePosixPath(path).parent for path in paths if _is_project_file(path)}
    projects = sorted(folders, key=lambda folder: (len(folder.parts), folder.parts))
    sources = set(_source_folders(paths))
    found = (root for project in projects for root in _roots_of(project, sources))
    return tuple(dict.fromkeys(found))


def _is_project_file(path: str) -> bool:
    *folders, name = path.split("/")
    return name in _PROJECT_FILES and not _NOT_OURS.intersection(folders)


def _source_folders(paths: Iterable[str]) -> Iterable[PurePosixPath]:
    """Folders that modules can be imported from: those above a package, or with a module."""
    for path in paths:
        file = PurePosixPath(path)
        if file.name == "__init__.py":
            yield file.parent.parent
        elif file.suffix == ".py" and file.parent.name == "src":
            yield file.parent


def _roots_of(project: PurePosixPath, sources: set[PurePosixPath]) -> Iterable[str]:
    below = project / "src"
    if any(folder.is_relative_to(below) for folder in sources):
        yield str(below)
    elif project in sources:
        yield str(project)
