"""Packagers by name, as recipes and profiles write them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.archives.base import Packager
from nemo_runspec.suggest import did_you_mean

# Those of a recipe's header are among them.
PACKAGERS = {
    "self_contained": "nemo_runspec.packaging.archives.self_contained:SelfContainedArchive",
    "code": "nemo_runspec.packaging.code.packager:CodePackager",
    "git_archive": "nemo_runspec.packaging.archives.git_archive:GitArchivePackager",
    "pattern": "nemo_runspec.packaging.archives.pattern:PatternPackager",
    "hybrid": "nemo_runspec.packaging.archives.hybrid:HybridPackager",
    "none": "nemo_runspec.packaging.archives.nothing:NoPackager",
}


def make_packager(name: str, options: Mapping[str, Any] | None = None) -> Packager:
    """Make the packager of a name.

    Args:
        name: One of ``self_contained``, ``code``, ``git_archive``, ``pattern``, ``hybrid`` and
            ``none``.
        options: Its options. Of ``hybrid``, each of ``sub_packagers`` is a packager, or a mapping
            with its ``name`` and its options.

    Raises:
        PackagingError: There is no such packager or option, one has the wrong type, or one that
            it needs is missing.
    """
    if name not in PACKAGERS:
        raise PackagingError(f"There is no packager {name!r}.", hint=did_you_mean(name, PACKAGERS))
    module, _, attribute = PACKAGERS[name].partition(":")
    cls = getattr(importlib.import_module(module), attribute)
    return cast("Packager", cls(**_checked(name, cls, options or {})))


def _checked(name: str, cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    known = {item.name: item for item in fields(cls)}
    hints = get_type_hints(cls)
    for key in options:
        if key not in known:
            raise PackagingError(
                f"The {name} packager has no option {key!r}.",
                hint=did_you_mean(key, known) or "It has none.",
            )
    for key, item in known.items():
        if item.default is MISSING and item.default_factory is MISSING and key not in options:
            raise PackagingError(
                f"The {name} packager needs the option {key!r}.", hint="Give it a value."
            )
    return {key: _value(name, key, value, hints[key]) for key, value in options.items()}


def _value(name: str, key: str, value: Any, hint: Any) -> Any:
    if key == "sub_packagers" and isinstance(value, Mapping):
        return {folder: _sub_packager(folder, item) for folder, item in value.items()}
    is_texts = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    made = tuple(value) if is_texts else value
    if value is None and type(None) in get_args(hint):
        return None
    for wanted in _classes(hint):
        if wanted is not str and isinstance(made, str) and wanted not in (tuple, bool, int):
            return wanted(made)
        if isinstance(made, wanted) and not (isinstance(made, bool) and wanted is int):
            return made
    raise PackagingError(
        f"The option {key!r} of the {name} packager is {value!r}.",
        hint=f"It is {' or '.join(sorted(map(_word, _classes(hint))))}.",
    )


def _sub_packager(folder: str, value: Any) -> Packager:
    if isinstance(value, Packager):
        return value
    options = dict(value) if isinstance(value, Mapping) else {"name": value}
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise PackagingError(
            f"The packager of the folder {folder!r} has no name.",
            hint='Write {"name": "git_archive", …}.',
        )
    return make_packager(name, options)


def _classes(hint: Any) -> list[type]:
    if get_origin(hint) in (Union, UnionType):
        return [cls for item in get_args(hint) for cls in _classes(item)]
    found = get_origin(hint) or hint
    return [] if found is type(None) else [found]


def _word(cls: type) -> str:
    words = {bool: "true or false", int: "a whole number", str: "a text", tuple: "a list of texts"}
    return words.get(cls, f"a {cls.__name__.lower()}")
