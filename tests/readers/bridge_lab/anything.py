"""Modules that hold whatever they are asked for, in place of libraries that are not installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any, Protocol

_NEWER_THAN_ANY = "99.0"
_OF_CLASSES = ("_abc_impl", "_is_protocol", "_is_runtime_protocol")


# A base class may stand beside protocols, so its metaclass is theirs.
class _Kind(type(Protocol)):
    """Classes that have every attribute, and may be called, inherited, added to and decorate."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") or name in _OF_CLASSES:
            raise AttributeError(name)
        made = _Kind(name, (Anything,), {"__module__": cls.__module__})
        type.__setattr__(cls, name, made)
        return made

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return args[0] if _decorates(args, kwargs) else super().__call__()

    def __getitem__(cls, _item: Any) -> Any:
        return cls

    def __add__(cls, _other: Any) -> Any:
        return cls

    def __or__(cls, _other: Any) -> Any:
        return Any

    __ror__ = __or__


class Anything(metaclass=_Kind):
    """What any name of such a module is."""

    _is_protocol = False

    def __getattr__(self, name: str) -> Any:
        return getattr(type(self), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return args[0] if _decorates(args, kwargs) else Anything()


def _decorates(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    return len(args) == 1 and not kwargs and isinstance(args[0], FunctionType | type)


class Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return _NEWER_THAN_ANY
        if name.startswith("__"):
            raise AttributeError(name)
        made = _Kind(name, (Anything,), {"__module__": self.__name__})
        setattr(self, name, made)
        return made


class StandIns(MetaPathFinder, Loader):
    """Finds such a module for each of these names, and for everything below them.

    Args:
        names: Dotted names.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def covers(self, name: str) -> bool:
        return any(f"{name}.".startswith(f"{known}.") for known in self._names)

    def find_spec(self, fullname: str, _path: Any = None, _target: Any = None) -> Any:
        return ModuleSpec(fullname, self, is_package=True) if self.covers(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = Module(spec.name)
        if spec.name == "torch":
            # These are values, and a type that they are of.
            module.dtype = type("dtype", (), {})
            for name in ("bfloat16", "float16", "float32", "int32", "int64", "uint8"):
                setattr(module, name, module.dtype())
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__path__ = []

    def forget(self) -> None:
        for name in [name for name in sys.modules if self.covers(name)]:
            del sys.modules[name]
