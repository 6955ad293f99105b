"""Find and load embedded modules."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from .contents import Contents
from .ray_workers import with_setup_hook
from .resources import EmbeddedResources

_INIT = "__init__.py"


class EmbeddedLoader(SourceFileLoader):
    """Loads a module whose source is embedded; the frames of its base are hidden in tracebacks."""

    def __init__(self, name: str, path: str, contents: Contents) -> None:
        super().__init__(name, path)
        self.contents = contents

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source, unless an earlier start did."""
        source = self.get_source(fullname)
        found = self.contents.bytecode.get(self.path)
        if found is None:
            found = self.source_to_code(source, self.path)
            self.contents.bytecode.add(self.path, found)
        return found

    def get_source(self, fullname: str) -> str:  # noqa: ARG002 - the signature is Python's
        """Return the source."""
        return self.contents.text(self.path)

    def get_data(self, path: str) -> bytes:
        """Return the content of a file beside the module."""
        return self.contents.data(path)

    def get_resource_reader(self, name: str) -> EmbeddedResources:  # type: ignore[override]  # noqa: ARG002
        """Return what ``importlib.resources`` reads data in the module's folder with."""
        return EmbeddedResources(self.path[: self.path.rfind("/") + 1], self.contents)


class EmbeddedNamespace:
    """Loads a folder without ``__init__.py``: there is nothing to run."""

    def __init__(self, folder: str, contents: Contents) -> None:
        self.folder = folder
        self.contents = contents

    def create_module(self, _spec: ModuleSpec) -> None:
        """Let Python make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing."""

    def is_package(self, _name: str) -> bool:
        """Say that it has submodules."""
        return True

    def get_source(self, _name: str) -> str:
        """Return no source."""
        return ""

    def get_code(self, _name: str) -> CodeType:
        """Return code that does nothing."""
        return compile("", self.folder, "exec")

    def get_resource_reader(self, _name: str) -> EmbeddedResources:
        """Return what ``importlib.resources`` reads the folder's data with."""
        return EmbeddedResources(self.folder, self.contents)


class EmbeddedFinder:
    """Finds embedded modules, before anything that is installed under the same names."""

    def __init__(self, contents: Contents, file: str) -> None:
        self.contents = contents
        self.file = file
        self.folders = {
            path[: path.rindex("/")] for path in contents.modules.values() if "/" in path
        }

    def find_spec(
        self, name: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module."""
        file = self.contents.modules.get(name)
        if file is None:
            return self._ray(path, target) if name == "ray" else None
        if file.endswith("/"):
            nothing: Any = EmbeddedNamespace(file, self.contents)
            spec = ModuleSpec(name, nothing, is_package=True)
            spec.submodule_search_locations = [file.rstrip("/")]
            return spec
        loader = EmbeddedLoader(name, file, self.contents)
        is_package = loader.is_package(name)
        spec = ModuleSpec(name, loader, origin=file, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [file.rpartition("/")[0]]
        return spec

    def invalidate_caches(self) -> None:
        """Nothing is cached."""

    def find_distributions(self, context: Any = None) -> Iterator[Any]:
        """Yield the distributions that the embedded modules belong to, for their versions."""
        from importlib.metadata import Distribution

        class Embedded(Distribution):
            def __init__(self, metadata: str, entry_points: str) -> None:
                self.texts = {"METADATA": metadata, "entry_points.txt": entry_points}

            def read_text(self, filename: str) -> str | None:
                return self.texts.get(filename)

            def locate_file(self, path: Any) -> Any:
                return path

        wanted = getattr(context, "name", None)
        for name, found in self.contents.about["distributions"].items():
            if wanted is None or _normal(wanted) == _normal(name):
                yield Embedded(
                    f"Metadata-Version: 2.1\nName: {name}\nVersion: {found['version']}\n",
                    found["entry_points"],
                )

    def folder_hook(self, path: str) -> EmbeddedFolder:
        """Answer for the folders of embedded packages, for ``pkgutil`` and ``__path__``."""
        if path not in self.folders:
            raise ImportError(path)
        return EmbeddedFolder(f"{path}/", self.contents)

    def _ray(self, path: Any, target: ModuleType | None) -> ModuleSpec | None:
        """Have Ray's workers install this importer, whoever calls ``ray.init``."""
        spec = PathFinder.find_spec("ray", path, target)
        loader = None if spec is None else spec.loader
        if loader is None:
            return None
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            module.init = with_setup_hook(module.init, self.file)  # type: ignore[attr-defined]

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class EmbeddedFolder:
    """One folder of embedded modules."""

    def __init__(self, folder: str, contents: Contents) -> None:
        self.folder = folder
        self.contents = contents

    def find_spec(self, _name: str, _target: ModuleType | None = None) -> None:
        """Nothing: embedded modules are found by name, and nothing else lies here."""

    def invalidate_caches(self) -> None:
        """Nothing is cached."""

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """Yield the modules in the folder, and whether each is a package."""
        modules = set(self.contents.modules.values())
        for name, is_folder in sorted(self.contents.children(self.folder).items()):
            if is_folder and f"{self.folder}{name}/{_INIT}" in modules:
                yield prefix + name, True
            elif name.endswith(".py") and name != _INIT and self.folder + name in modules:
                yield prefix + name[: -len(".py")], False


def _normal(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
