"""The importer inside a packaged ``main.py``: modules whose source lies in that file.

Its source is put into ``main.py`` as it stands, so it needs the standard library alone, and at the
start as little of that as possible.
"""

from __future__ import annotations

import atexit
import linecache
import marshal
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source
from types import CodeType, ModuleType, TracebackType
from typing import Any

PACKAGE = "_nemotron_package"
SOURCE_ROOT_VARIABLE = "NEMOTRON_SOURCE_ROOT"
_INIT = "__init__.py"
_COLOURED_HOOK = (3, 13)


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


class Bytecode:
    """Compiled modules, kept in one file of ``__pycache__`` as Python keeps its own.

    Args:
        key: Names the content: of another ``main.py`` nothing is taken.
    """

    def __init__(self, key: str) -> None:
        self.header = MAGIC_NUMBER + key.encode() + b"\n"
        self.file: str | None = None
        self.kept: dict[str, bytes] = {}
        self.made: dict[str, CodeType] = {}

    def open(self, main: str) -> None:
        """Read what is there; a file that is absent, older or damaged is as good as none."""
        try:
            state = os.stat(main)  # noqa: PTH116 - someone may have changed a text by hand
            self.header += f"{state.st_mtime_ns} {state.st_size}\n".encode()
            self.file = cache_from_source(main).removesuffix(".pyc") + ".embedded.pyc"
            with open(self.file, "rb") as stream:  # noqa: PTH123 - pathlib costs start-up time
                content = stream.read()
            if content.startswith(self.header):
                self.kept = marshal.loads(content[len(self.header) :])  # noqa: S302 - as Python does
        except (OSError, NotImplementedError, ValueError, EOFError, TypeError):
            self.kept = {}

    def get(self, path: str) -> CodeType | None:
        """Return a module's code, if it was compiled before."""
        kept = self.kept.get(path)
        if kept is None:
            return None
        found: CodeType = marshal.loads(kept)  # noqa: S302 - as Python does
        return found

    def add(self, path: str, code: CodeType) -> None:
        """Take in what was just compiled."""
        self.made[path] = code

    def save(self) -> None:
        """Write at the end of a program, where Python would write: one process of a job does."""
        ranks = (os.environ.get(name, "0") for name in ("RANK", "SLURM_PROCID"))
        if not self.made or self.file is None or sys.dont_write_bytecode or set(ranks) != {"0"}:
            return
        made = {path: marshal.dumps(code) for path, code in self.made.items()}
        content = self.header + marshal.dumps({**self.kept, **made})
        staged = f"{self.file}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self.file), exist_ok=True)  # noqa: PTH103, PTH120
            with open(staged, "wb") as stream:  # noqa: PTH123
                stream.write(content)
            os.replace(staged, self.file)  # noqa: PTH105
        except OSError:
            # A folder that cannot be written costs the next start some time, and nothing else.
            with suppress(OSError):
                os.unlink(staged)  # noqa: PTH108


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


class EmbeddedResources:
    """What ``importlib.resources.files`` starts from."""

    def __init__(self, folder: str, contents: Contents) -> None:
        self.folder = folder
        self.contents = contents

    def files(self) -> EmbeddedPath:
        """Return the package's folder."""
        return EmbeddedPath(self.folder, self.contents)


class EmbeddedPath:
    """A file or folder of an embedded package, as ``importlib.resources`` wants it."""

    def __init__(self, path: str, contents: Contents) -> None:
        self.path = path.rstrip("/")
        self.contents = contents

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def iterdir(self) -> Iterator[EmbeddedPath]:
        """Yield what lies in the folder."""
        for name in sorted(self.contents.children(f"{self.path}/")):
            yield self / name

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return bool(self.contents.children(f"{self.path}/"))

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.path in self.contents.files

    def joinpath(self, *names: str) -> EmbeddedPath:
        """Go down."""
        path = os.path.normpath("/".join([self.path, *map(str, names)]))
        return EmbeddedPath(path, self.contents)

    def __truediv__(self, name: str) -> EmbeddedPath:
        return self.joinpath(name)

    def __str__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"EmbeddedPath({self.path!r})"

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        """Open the file for reading."""
        import io

        stream = io.BytesIO(self.read_bytes())
        return stream if "b" in mode else io.TextIOWrapper(stream, *args, **kwargs)

    def read_bytes(self) -> bytes:
        """Read the file."""
        return self.contents.data(self.path)

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Read the file as text."""
        return str(self.open("r", encoding=encoding, errors=errors).read())


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
            module.init = _with_setup_hook(module.init, self.file)  # type: ignore[attr-defined]

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
        _require(contents.about["requirements"])
        _show_sources_in_tracebacks(file, namespace.get("__file__"))
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
    _show_sources_of_the_ignored()
    finder = EmbeddedFinder(contents, file)
    sys.meta_path.insert(0, finder)
    sys.path_hooks.insert(0, finder.folder_hook)
    return contents


def _require(requirements: list[Any]) -> None:
    """Leave with one sentence where something that the recipe needs is not installed."""
    from importlib import metadata
    from importlib.util import find_spec

    absent: list[str] = []
    old: list[str] = []
    for text, name, clauses, modules in requirements:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            if not any(find_spec(module) for module in modules):
                absent.append(text)
            continue
        if not all(_holds(version, operator, wanted) for operator, wanted in clauses):
            old.append(f"{text} ({version} is installed)")
    if not absent and not old:
        return
    parts = [f"{_listed(absent)}, not installed here"] if absent else []
    parts += [_listed(old)] if old else []
    wanted = " ".join(f"'{text.partition(' (')[0]}'" for text in (*absent, *old))
    sys.exit(f"error: main.py needs {'; and '.join(parts)}. Install with: pip install {wanted}")


def _holds(version: str, operator: str, wanted: str) -> bool:
    """Whether a version fits; pre-releases count as their release, and unknown forms fit."""
    found, limit = _release(version), _release(wanted.removesuffix(".*"))
    if not found or not limit:
        return True
    length = max(len(found), len(limit))
    here = found + (0,) * (length - len(found))
    there = limit + (0,) * (length - len(limit))
    same = found[: len(limit)] == limit if wanted.endswith(".*") else here == there
    if operator == "~=":
        return here >= there and found[: len(limit) - 1] == limit[:-1]
    return {
        ">=": here >= there,
        ">": here > there,
        "<=": here <= there,
        "<": here < there,
        "==": same,
        "===": version == wanted,
        "!=": not same,
    }[operator]


def _release(version: str) -> tuple[int, ...]:
    import re

    found = re.match(r"v?(?:\d+!)?(\d+(?:\.\d+)*)", version)
    return () if found is None else tuple(int(part) for part in found[1].split("."))


def _listed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _show_sources_in_tracebacks(file: str, given: Any) -> None:
    """Leave main.py out of tracebacks; before 3.13 Python looks for source text in files only."""
    hidden = {file, given}

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        while trace is not None and trace.tb_frame.f_code.co_filename in hidden:
            trace = trace.tb_next
        shown = error.with_traceback(trace)
        if sys.version_info >= _COLOURED_HOOK:
            sys.__excepthook__(kind, shown, trace)
        else:
            import traceback

            traceback.print_exception(kind, shown, trace)

    sys.excepthook = show


def _show_sources_of_the_ignored() -> None:
    """Show source text where exceptions end threads, destructors and exit functions."""
    import threading

    def show(head: str, error: BaseException | None, *, ignored: bool) -> None:
        from traceback import TracebackException

        if sys.stderr is None or error is None:
            return
        found = TracebackException.from_exception(error)
        for frame in found.stack if ignored and sys.version_info >= _COLOURED_HOOK else ():
            frame.colno = None  # Python itself marks no part of the line then
        sys.stderr.write(head + "".join(found.format(chain=not ignored)))

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            name = threading.get_ident() if args.thread is None else args.thread.name
            show(f"Exception in thread {name}:\n", args.exc_value, ignored=False)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        about = "" if args.object is None else f" {args.object!r}"
        message = f"{args.err_msg or 'Exception ignored in'}:{about}\n"
        show(message, args.exc_value, ignored=True)

    sys.unraisablehook = unraisable
    if sys.version_info < _COLOURED_HOOK:
        threading.excepthook = of_thread


def _with_setup_hook(init: Callable[..., Any], file: str) -> Callable[..., Any]:
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


def _normal(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
