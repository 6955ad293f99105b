"""Errors for what a store does not hold, each with what it holds instead."""

from __future__ import annotations

from collections.abc import Iterable

from nemo_runspec.artifacts.reference import ArtifactReference, is_artifact_name
from nemo_runspec.errors import ArtifactNotFoundError
from nemo_runspec.manifest_tracker.files import StoreFiles
from nemo_runspec.manifest_tracker.versions import alias_path, last_version

_LISTED = 20


def unknown_name(files: StoreFiles, name: str) -> ArtifactNotFoundError:
    """No version of this name exists."""
    import difflib

    folders = files.folders("")
    names = sorted(found for found in folders if is_artifact_name(found) and found != name)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        hint = f"Did you mean {close[0]!r}?"
    elif names:
        hint = f"It holds: {', '.join(names[:_LISTED])}."
    else:
        hint = "It holds no artifacts yet; is artifacts.manifest.root the one you mean?"
    return ArtifactNotFoundError(f"No artifact is named {name!r}.", where=files.root, hint=hint)


def unknown_version(files: StoreFiles, name: str, version: int) -> ArtifactNotFoundError:
    """This version does not exist; perhaps no version of the name does."""
    if last_version(files, name) == 0:
        return unknown_name(files, name)
    return ArtifactNotFoundError(
        f"{name!r} has no version v{version}.",
        where=files.root,
        hint=f"It has {_version_list(files, name)}.",
    )


def unknown_alias(
    files: StoreFiles, reference: ArtifactReference, known: Iterable[str]
) -> ArtifactNotFoundError:
    """The name has no such alias; perhaps no version of the name exists."""
    if last_version(files, reference.name) == 0:
        return unknown_name(files, reference.name)
    return ArtifactNotFoundError(
        f"{reference.name!r} has no alias {reference.selector!r}.",
        where=files.root,
        hint=f"Its aliases: {', '.join(known) or 'none'}. "
        f"Its versions: {_version_list(files, reference.name)}.",
    )


def dangling_alias(
    files: StoreFiles, reference: ArtifactReference, version: int
) -> ArtifactNotFoundError:
    """The alias exists, and the version that it means does not."""
    return ArtifactNotFoundError(
        f"{reference} means v{version}, which does not exist.",
        where=files.locate(alias_path(reference.name, reference.selector)),
        hint="Let it mean another version: nemotron artifacts alias "
        f"{reference.name}:VERSION {reference.selector}",
    )


def all_withdrawn(files: StoreFiles, name: str, last: int) -> ArtifactNotFoundError:
    """Versions of the name exist, and each was taken out of use."""
    return ArtifactNotFoundError(
        f"Every version of {name!r} was withdrawn.",
        where=files.root,
        hint=f"Restore one: nemotron artifacts restore {name}:v{last}",
    )


def _version_list(files: StoreFiles, name: str) -> str:
    last = last_version(files, name)
    return "v1" if last == 1 else f"v1 to v{last}"
