"""Find an artifact class again by the type name in a manifest."""

from __future__ import annotations

from collections.abc import Iterator

from nemo_runspec.artifacts.base import Artifact


def find_artifact_class(type_name: str) -> type[Artifact] | None:
    """Find the class of a type name among the built-in types and every subclass defined so far.

    Where two classes share a name, the one defined last is meant.

    Args:
        type_name: A class name, as manifests hold it.
    """
    import nemo_runspec.artifacts.types

    assert nemo_runspec.artifacts.types  # noqa: S101 - the import defines the built-in types
    named = [cls for cls in _with_subclasses(Artifact) if cls.__name__ == type_name]
    aliased = nemo_runspec.artifacts.types.ALIASES.get(type_name)
    return named[-1] if named else aliased


def _with_subclasses(cls: type[Artifact]) -> Iterator[type[Artifact]]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from _with_subclasses(subclass)
