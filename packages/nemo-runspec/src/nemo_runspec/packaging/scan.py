"""What one module imports, read from its source without running it."""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from pathlib import Path

from nemo_runspec.errors import PackagingError

_CAUGHT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_IMPORTERS = frozenset({"import_module", "__import__", "require"})
_RESOURCES = frozenset({"resources", "importlib_resources", "get_data"})
_WALKERS = frozenset({"iter_modules", "walk_packages"})
_CONDITIONS = frozenset({"version_info", "platform", "find_spec", "os.name", "implementation"})
_TELLING = re.compile(
    r"import_module|__import__|\brequire\(|resources|get_data|iter_modules|walk_packages"
)
_MODULE_NAME = re.compile(r"\.*[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
# Of Python 3.11 and older: threads that parse at the same time share a count of the depth.
_parsing = threading.Lock()
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


class Need(IntEnum):
    """How firmly a program needs what it imports; the larger, the less."""

    NOW = 0
    LATER = 1  # inside a function
    OPTIONAL = 2  # it goes on without


@dataclass(frozen=True, slots=True)
class Import:
    """One import.

    Attributes:
        module: The module's name as written; empty in ``from . import x``.
        level: The leading dots.
        names: What is taken from it; empty in ``import x``.
        line: Where it stands.
        need: How firmly the program needs it.
        alias: The name that ``import x.y`` binds, with what it stands for.
    """

    module: str
    level: int
    names: tuple[tuple[str, str], ...]
    line: int
    need: Need
    alias: tuple[str, str] | None = None


@dataclass(slots=True)
class Scan:
    """What a module does that matters for packaging.

    Attributes:
        imports: Its imports, wherever they stand.
        exports: The literal table of a facade.
        named: Texts that may name modules, of one that imports by names found at run time.
        walks: Whether it looks for modules in its own package.
        resources: Whether it reads package data.
        tree: Its syntax.
    """

    imports: list[Import] = field(default_factory=list)
    exports: Mapping[str, str] | None = None
    named: list[tuple[str, int]] = field(default_factory=list)
    walks: bool = False
    resources: bool = False
    tree: ast.Module = field(default_factory=lambda: ast.Module([], []))


def read_source(path: Path) -> str:
    """Read a module's source as Python reads it: decoded, with Unix line ends.

    Raises:
        PackagingError: It cannot be read or decoded.
    """
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise PackagingError(
            f"The module cannot be read: {error.strerror}.", where=str(path)
        ) from error


@lru_cache(maxsize=4096)
def _read(path: Path, _changed: int, _size: int) -> str:
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    encoding = "utf-8"
    for line in content.splitlines()[:2]:
        cookie = _COOKIE.match(line)
        if cookie is not None:
            encoding = cookie[1].decode()
            break
        if line.strip() and not line.lstrip().startswith(b"#"):
            break
    try:
        text = content.decode(encoding)
    except (LookupError, UnicodeDecodeError) as error:
        raise PackagingError(
            f"The module is no {encoding} text.", where=str(path), hint="Save it as UTF-8."
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def scan(path: Path) -> Scan:
    """Find what a module imports.

    Args:
        path: Its file.

    Raises:
        PackagingError: It cannot be read, or its syntax is wrong.
    """
    source = read_source(path)
    stat = path.stat()
    return _scan(path, stat.st_mtime_ns, source)


@lru_cache(maxsize=4096)
def _scan(path: Path, _changed: int, source: str) -> Scan:
    try:
        with _parsing:
            tree = ast.parse(source, str(path))
    except SyntaxError as error:
        raise PackagingError(
            f"The syntax is wrong: {error.msg}.", where=f"{path}:{error.lineno or 1}"
        ) from error
    except ValueError as error:
        raise PackagingError(f"The module is no Python: {error}.", where=str(path)) from error
    found = Scan(exports=_exports(tree), tree=tree)
    _Reader(found, telling=bool(_TELLING.search(source))).block(tree.body, Need.NOW)
    return found


class _Reader:
    """Reads statements; what it passes down is how firmly the program needs their imports."""

    def __init__(self, found: Scan, *, telling: bool) -> None:
        self.found = found
        self.telling = telling

    def block(self, statements: Iterable[ast.stmt], need: Need) -> None:
        for statement in statements:
            self.statement(statement, need)

    def statement(self, node: ast.stmt, need: Need) -> None:
        if isinstance(node, ast.Import):
            self.plain_import(node, need)
        elif isinstance(node, ast.ImportFrom):
            names = tuple((item.name, item.asname or item.name) for item in node.names)
            self.add(Import(node.module or "", node.level, names, node.lineno, need))
        elif isinstance(node, ast.If):
            self.branches(node, need)
        elif isinstance(node, ast.Try | ast.TryStar):
            self.attempt(node, need)
        else:
            self.compound(node, need)

    def compound(self, node: ast.stmt, need: Need) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            need = max(need, Need.LATER)
        elif isinstance(node, ast.With) and _suppresses(node):
            need = Need.OPTIONAL
        if self.telling:
            self.expressions(node, need)
        for _, value in ast.iter_fields(node):
            for item in value if isinstance(value, list) else ():
                if isinstance(item, ast.stmt):
                    self.statement(item, need)
                elif isinstance(item, ast.match_case):
                    self.block(item.body, need)

    def plain_import(self, node: ast.Import, need: Need) -> None:
        for item in node.names:
            bound = item.asname or item.name.partition(".")[0]
            alias = (bound, item.name if item.asname else bound)
            self.add(Import(item.name, 0, (), node.lineno, need, alias))

    def branches(self, node: ast.If, need: Need) -> None:
        checking = _type_checking(node.test)
        inside = Need.OPTIONAL if _depends_on_machine(node.test) else need
        if self.telling:
            self.expression(node.test, need)
        if checking is not True:
            self.block(node.body, inside)
        if checking is not False:
            self.block(node.orelse, inside)

    def attempt(self, node: ast.Try | ast.TryStar, need: Need) -> None:
        forgiving = any(_catches_imports(handler.type) for handler in node.handlers)
        inside = Need.OPTIONAL if forgiving else need
        self.block(node.body, inside)
        for handler in node.handlers:
            self.block(handler.body, inside)
        self.block(node.orelse, need)
        self.block(node.finalbody, need)

    def expressions(self, node: ast.stmt, need: Need) -> None:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.stmt | ast.match_case):
                self.expression(child, need)

    def expression(self, node: ast.AST, need: Need) -> None:
        for part in ast.walk(node):
            if isinstance(part, ast.Call):
                self.call(part, need)
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                name = part.value.partition(":")[0]
                if _MODULE_NAME.fullmatch(name):
                    self.found.named.append((name, part.lineno))

    def call(self, node: ast.Call, need: Need) -> None:
        name = _last_name(node.func)
        if name in _WALKERS:
            self.found.walks = True
        if name not in _IMPORTERS or not node.args:
            return
        first = node.args[0]
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            return
        text = first.value.lstrip(".")
        level = len(first.value) - len(text)
        package = _package_argument(node)
        if level and package is not None:
            text, level = _resolved(text, level, package), 0
        optional = Need.OPTIONAL if name == "require" else need
        self.add(Import(text, level, (), node.lineno, optional))

    def add(self, item: Import) -> None:
        self.found.imports.append(item)
        words = {*item.module.split("."), *(name for name, _ in item.names)}
        if words & _RESOURCES:
            self.found.resources = True


def _package_argument(node: ast.Call) -> str | None:
    """The package that ``import_module(".name", "package")`` starts from, where it is written."""
    given = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "package")]
    value = given[0].value if given and isinstance(given[0], ast.Constant) else None
    return value if isinstance(value, str) else None


def _resolved(text: str, level: int, package: str) -> str:
    parts = package.split(".")
    return ".".join([*parts[: max(1, len(parts) - level + 1)], text])


def attributes_of(tree: ast.Module, name: str) -> set[str] | None:
    """Name the attributes that a module's code takes from one of its names.

    Returns:
        None where the name is used in another way too, so that any attribute may be meant.
    """
    taken: set[str] = set()
    explained: set[int] = set()
    uses: list[ast.Name] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            uses.append(node)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            explained.add(id(node.value))
            if node.value.id == name:
                taken.add(node.attr)
    return taken if all(id(node) in explained for node in uses) else None


def _exports(tree: ast.Module) -> Mapping[str, str] | None:
    for node in tree.body:
        target = _assigned(node)
        if target is None or target[0] != "EXPORTS" or not isinstance(target[1], ast.Dict):
            continue
        try:
            table = ast.literal_eval(target[1])
        except ValueError:
            return None
        if all(isinstance(text, str) for pair in table.items() for text in pair):
            return table  # type: ignore[no-any-return]
    return None


def _assigned(node: ast.stmt) -> tuple[str, ast.expr] | None:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target, value = node.target, node.value
    else:
        return None
    return (target.id, value) if isinstance(target, ast.Name) else None


def _type_checking(test: ast.expr) -> bool | None:
    """True for ``TYPE_CHECKING``, False for its negation, None for anything else."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _type_checking(test.operand)
        return None if inner is None else not inner
    return True if _last_name(test) == "TYPE_CHECKING" else None


def _depends_on_machine(test: ast.expr) -> bool:
    return any(
        _last_name(node) in _CONDITIONS or _dotted(node) in _CONDITIONS for node in ast.walk(test)
    )


def _suppresses(node: ast.With) -> bool:
    return any(
        isinstance(item.context_expr, ast.Call)
        and _last_name(item.context_expr.func) == "suppress"
        and any(_catches_imports(argument) for argument in item.context_expr.args)
        for item in node.items
    )


def _catches_imports(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(_last_name(each) in _CAUGHT for each in kinds)


def _last_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _dotted(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return None
