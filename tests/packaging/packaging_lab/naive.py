"""A packager that pastes modules into one namespace, as charitably as that can be done.

Modules follow each other in the order of their imports, the script comes last. Imports among
them become assignments, and every module is the one that all were pasted into: ``import a.b``,
``a.b.name``, ``from a.b import name as other`` find what has been pasted. What fails all the same
fails because modules are more than their lines.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from importlib.util import decode_source
from pathlib import Path

HERE = "sys.modules[__name__]"


def paste(script: Path, modules: Mapping[str, Path]) -> str:
    """Return the source of one file.

    Args:
        script: The script.
        modules: Dotted name to file, of all modules that belong to it.
    """
    order: list[str] = []
    _follow(_parse(script), "", modules, order)
    futures: set[str] = set()
    pasted = [_pasted(_parse(modules[name]), name, modules, futures) for name in order]
    pasted.append(_pasted(_parse(script), "", modules, futures))
    head = [f"from __future__ import {name}" for name in sorted(futures)]
    names = sorted({part for name in order for part in name.split(".")})
    head += ["import sys", *(f"{name} = {HERE}" for name in names)]
    return "\n".join([*head, *pasted, ""])


def _parse(file: Path) -> ast.Module:
    return ast.parse(decode_source(file.read_bytes()))


def _follow(tree: ast.Module, name: str, modules: Mapping[str, Path], order: list[str]) -> None:
    for wanted in _imported(tree, name, modules):
        if wanted in modules and wanted not in order:
            order.append(wanted)  # entered before its own imports: circles end
            _follow(_parse(modules[wanted]), wanted, modules, order)
            order.remove(wanted)
            order.append(wanted)


def _imported(tree: ast.Module, name: str, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, name, modules)
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _base(node: ast.ImportFrom, name: str, modules: Mapping[str, Path]) -> str:
    if not node.level:
        return node.module or ""
    is_package = name in modules and modules[name].name == "__init__.py"
    parts = name.split(".") if is_package else name.split(".")[:-1]
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _pasted(tree: ast.Module, name: str, modules: Mapping[str, Path], futures: set[str]) -> str:
    return ast.unparse(_Rewriter(name, modules, futures).visit(tree))


class _Rewriter(ast.NodeTransformer):
    """Turns imports of pasted modules into assignments, and collects future imports."""

    def __init__(self, name: str, modules: Mapping[str, Path], futures: set[str]) -> None:
        self._name = name
        self._modules = modules
        self._futures = futures
        self._top_level = {module.partition(".")[0] for module in modules}

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        return [statement for alias in node.names for statement in self._import(alias)]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | list[ast.stmt]:
        if node.module == "__future__":
            self._futures.update(alias.name for alias in node.names)
            return ast.Pass()
        base = _base(node, self._name, self._modules)
        if base.partition(".")[0] not in self._top_level:
            return node
        pasted = [statement for alias in node.names for statement in self._taken(base, alias)]
        return pasted or [ast.Pass()]

    def _import(self, alias: ast.alias) -> list[ast.stmt]:
        if alias.name.partition(".")[0] not in self._top_level:
            return [ast.Import([alias])]
        return _assigned(alias.asname, HERE) if alias.asname else [ast.Pass()]

    def _taken(self, base: str, alias: ast.alias) -> list[ast.stmt]:
        name = alias.asname or alias.name
        if f"{base}.{alias.name}" in self._modules:
            return _assigned(name, HERE)
        return [] if name == alias.name else _assigned(name, alias.name)


def _assigned(name: str, value: str) -> list[ast.stmt]:
    return ast.parse(f"{name} = {value}").body
