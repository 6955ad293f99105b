"""Every module of our own that a recipe can reach, and what it needs of others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.places import Module, Places, submodules
from nemo_runspec.packaging.scan import Import, Need, Scan, attributes_of, scan

_EVERYTHING = ".*"


@dataclass(frozen=True, slots=True)
class Use:
    """An import of a module that is not ours.

    Attributes:
        top: Its top-level name.
        module: The module that imports it; None for the recipe.
        where: File and line.
        need: How firmly the program needs it.
        installed: Whether it can be imported where the recipe is packaged.
    """

    top: str
    module: str | None
    where: str
    need: Need
    installed: bool


@dataclass(slots=True)
class Closure:
    """What a recipe reaches.

    Attributes:
        modules: Our own modules, by name.
        strengths: How firmly the program needs each of them.
        uses: Imports of modules that are others'.
        readers: Packages whose data is read.
    """

    modules: dict[str, Module] = field(default_factory=dict)
    strengths: dict[str, Need] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    readers: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Site:
    """Where an import stands."""

    name: str | None
    package: str
    path: Path
    line: int
    need: Need

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def find_closure(
    places: Places, *, packages: Sequence[str] = (), extra: Iterable[str] = ()
) -> Closure:
    """Follow every import from a recipe.

    Args:
        places: Where modules lie; it knows the recipe.
        packages: ``name`` or ``name.*``, which takes every module of it.
        extra: Modules that are needed though nothing imports them.

    Raises:
        PackagingError: An import leads nowhere, or a module cannot be packaged.
    """
    walk = _Walk(places)
    walk.script()
    for name in extra:
        walk.add(name, _Site(None, "", places.script, 1, need=Need.NOW))
    for name in packages:
        walk.package(name)
    walk.run()
    return walk.found


class _Walk:
    def __init__(self, places: Places) -> None:
        self.places = places
        self.found = Closure()
        self.waiting: list[Module] = []
        self.scans: dict[Path, Scan] = {}

    def script(self) -> None:
        self.places.refuse_namesake(self.places.script.stem)
        self.follow(None, "", self.places.script, Need.NOW)

    def package(self, name: str) -> None:
        top = name.removesuffix(_EVERYTHING)
        site = _Site(None, "", self.places.script, 1, need=Need.NOW)
        if self.places.module(top) is None:
            raise PackagingError(
                f"The package {top!r} cannot be found.",
                where="packages",
                hint="Install it where you package, or correct its name.",
            )
        if name.endswith(_EVERYTHING):
            self.add(top, site)
            self.everything_in(top, site)

    def run(self) -> None:
        while self.waiting:
            module = self.waiting.pop()
            if module.is_namespace:
                continue
            package = module.name if module.is_package else module.name.rpartition(".")[0]
            self.follow(module.name, package, module.path, self.found.strengths[module.name])

    def follow(self, name: str | None, package: str, path: Path, need: Need) -> None:
        found = self.scanned(path)
        for item in found.imports:
            site = _Site(name, package, path, item.line, max(need, item.need))
            self.imported(item, site, found)
        site = _Site(name, package, path, 1, need=Need.OPTIONAL)
        for text, line in found.named:
            self.named(text, _Site(name, package, path, line, need=Need.OPTIONAL))
        if found.walks and package:
            self.everything_in(package, site)
        if found.resources:
            self.reads(found, package)

    def imported(self, item: Import, site: _Site, found: Scan) -> None:
        module = _absolute(item, site)
        if not module:
            for name, _ in item.names:
                self.add(name, site)
            return
        if not self.add(module, site):
            return
        if item.alias is not None:
            self.through_alias(item.alias, site, found)
        for name, bound in item.names:
            self.taken(module, name, bound, site, found)

    def taken(self, module: str, name: str, bound: str, site: _Site, found: Scan) -> None:
        if name == "*":
            self.exported(module, None, site)
            return
        inner = f"{module}.{name}"
        if self.places.module(inner) is not None:
            self.add(inner, site)
            self.through_alias((bound, inner), site, found)
        else:
            self.exported(module, {name}, site)
            if self.is_namespace(module):
                self.missing(inner, site)

    def through_alias(self, alias: tuple[str, str], site: _Site, found: Scan) -> None:
        bound, module = alias
        if self.table(module) is not None:
            self.exported(module, attributes_of(found.tree, bound), site)

    def exported(self, module: str, names: set[str] | None, site: _Site) -> None:
        """Follow a facade to the owners of what is taken; of all where that cannot be told."""
        table = self.table(module) or {}
        chosen = table.keys() if names is None else names & table.keys()
        for name in sorted(chosen):
            owner, _, attribute = table[name].partition(":")
            need = Need.OPTIONAL if names is None else site.need
            target = _Site(site.name, site.package, site.path, site.line, need)
            if self.add(owner, target) and attribute:
                self.exported(owner, {attribute}, target)

    def scanned(self, path: Path) -> Scan:
        if path not in self.scans:
            self.scans[path] = scan(path)
        return self.scans[path]

    def is_namespace(self, module: str) -> bool:
        place = self.places.module(module)
        return place is not None and place.is_namespace

    def table(self, module: str) -> dict[str, str] | None:
        place = self.places.module(module)
        if place is None or place.is_namespace:
            return None
        exports = self.scanned(place.path).exports
        return None if exports is None else dict(exports)

    def named(self, text: str, site: _Site) -> None:
        name = f"{site.package}{text}" if text.startswith(".") else text
        candidates = [name] if "." in name else [f"{site.package}.{name}"]
        for candidate in candidates:
            if "." in candidate and self.is_own(candidate):
                self.add(candidate, site)

    def is_own(self, name: str) -> bool:
        top = name.partition(".")[0]
        return (
            top.isidentifier()
            and isinstance(self.places.top(top), Module)
            and (self.places.module(name) is not None)
        )

    def everything_in(self, package: str, site: _Site) -> None:
        place = self.places.module(package)
        if place is not None and place.is_package:
            for name in submodules(place):
                self.add(name, site)

    def reads(self, found: Scan, package: str) -> None:
        self.found.readers.add(package)
        for text, _ in found.named:
            if text.partition(".")[0].isidentifier() and self.places.module(text) is not None:
                self.found.readers.add(text)

    def add(self, name: str, site: _Site) -> bool:
        """Take a module along with the packages around it; False where it is not ours."""
        top, *inner = name.split(".")
        place = self.places.top(top)
        if not isinstance(place, Module):
            self.foreign(top, place, site)
            return False
        self.enqueue(place, site)
        full = top
        for part in inner:
            full = f"{full}.{part}"
            module = self.places.module(full)
            if module is None:
                self.missing(full, site)
                return False
            self.enqueue(module, site)
        return True

    def enqueue(self, module: Module, site: _Site) -> None:
        self.found.modules[module.name] = module
        known = self.found.strengths.get(module.name)
        if known is None or site.need < known:
            self.found.strengths[module.name] = site.need
            self.waiting.append(module)

    def foreign(self, top: str, kind: str, site: _Site) -> None:
        if kind != "standard":
            installed = kind != "missing"
            self.found.uses.append(Use(top, site.name, str(site), site.need, installed))

    def missing(self, name: str, site: _Site) -> None:
        if site.need is not Need.OPTIONAL:
            raise PackagingError(
                f"The module {name!r} is imported and cannot be found.",
                where=str(site),
                hint="Correct its name, or guard the import with try/except ImportError.",
            )


def _absolute(item: Import, site: _Site) -> str:
    if not item.level:
        return item.module
    parts = site.package.split(".") if site.package else []
    keep = len(parts) - item.level + 1
    if keep < 1:
        if site.need is Need.OPTIONAL:
            return item.module
        raise PackagingError(
            "A relative import leads out of its package.",
            where=str(site),
            hint="Scripts and top-level modules have no package; write the module's whole name.",
        )
    return ".".join([*parts[:keep], *([item.module] if item.module else [])])
