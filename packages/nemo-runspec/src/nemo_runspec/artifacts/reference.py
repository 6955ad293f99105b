"""Artifact names and references.

``name``, ``name:latest``, ``name:v3``, ``name:3`` and ``name:alias``: all of them work with and
without ``art://``; ``entity/project/name:version`` is W&B's full form. With the scheme a path
inside the artifact may follow: ``art://name:v3/sub/blend.json``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from nemo_runspec.errors import InvalidReferenceError

LATEST = "latest"

SCHEME = "art://"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = re.compile(r"v?([0-9]+)")
_QUALIFIED = re.compile(r"(?P<entity>[^/:\s]+)/(?P<project>[^/:\s]+)/(?P<rest>[^/\s]+)")
_OWNED_VERSION = re.compile(r"[^/:\s]+/[^/:\s]+/[^/:\s]+:[^/\s]*(?=/|$)")
_UNUSUAL = re.compile(r"[\x00-\x1f\x7f\\]")
_MAX_NAME_LENGTH = 128
_MAX_VERSION_DIGITS = 18


@dataclass(frozen=True)
class ArtifactReference:
    """One artifact, and which of its versions.

    Attributes:
        name: The artifact's name.
        selector: ``latest``, ``v3`` (always in this spelling) or an alias.
        owner: ``entity/project`` of a full W&B reference, else None.
        inside: A relative path below the artifact's own, or nothing.
    """

    name: str
    selector: str = LATEST
    owner: str | None = None
    inside: str = ""

    @classmethod
    def parse(cls, text: str) -> ArtifactReference:
        """Read a reference.

        Args:
            text: Any of the spellings in the module's description.

        Raises:
            InvalidReferenceError: The text is none of them.
        """
        rest, inside = _split_inside(text)
        qualified = _QUALIFIED.fullmatch(rest)
        owner = None
        if qualified:
            owner = f"{qualified['entity']}/{qualified['project']}"
            rest = qualified["rest"]
        name, colon, selector = rest.partition(":")
        if colon and not selector:
            raise InvalidReferenceError(
                f"The reference {text!r} ends after its colon.",
                hint=f"Write {name}:latest, {name}:v3 or {name}:ALIAS.",
            )
        check_artifact_name(name, where=text)
        chosen = _normal_selector(selector, text, name) if colon else LATEST
        return cls(name, chosen, owner, inside)

    @property
    def version(self) -> int | None:
        """The number of a pinned reference; None for ``latest`` and aliases."""
        match = _VERSION.fullmatch(self.selector)
        return int(match.group(1)) if match else None

    @property
    def whole(self) -> ArtifactReference:
        """The reference to the artifact itself, whatever path inside it this one names."""
        return replace(self, inside="")

    def pinned(self, version: int) -> ArtifactReference:
        """The same reference with a version in place of ``latest`` or an alias."""
        return replace(self, selector=f"v{version}")

    def __str__(self) -> str:
        owner = "" if self.owner is None else f"{self.owner}/"
        whole = f"{owner}{self.name}:{self.selector}"
        return f"{SCHEME}{whole}/{self.inside}" if self.inside else whole


def check_artifact_name(name: str, *, where: str | None = None) -> str:
    """Return a valid artifact name, or refuse it.

    Args:
        name: The name, without a version.
        where: The text that it came from, for the message.

    Raises:
        InvalidReferenceError: The name is empty, too long, reserved or has other characters.
    """
    if len(name) > _MAX_NAME_LENGTH:
        raise InvalidReferenceError(
            f"The artifact name {name[:20]!r}… has {len(name)} characters.",
            where=where,
            hint=f"Use at most {_MAX_NAME_LENGTH}.",
        )
    if not _NAME.fullmatch(name):
        raise InvalidReferenceError(
            f"{name!r} is no artifact name.",
            where=where,
            hint="Start with a letter or digit and go on with letters, digits, '.', '_' or '-'.",
        )
    if _is_reserved(name):
        raise InvalidReferenceError(
            f"{name!r} is no artifact name: it reads as a version.",
            where=where,
            hint="Write NAME:VERSION, for example nano3-sft-data:v3.",
        )
    return name


def is_artifact_name(name: str) -> bool:
    """Tell whether a text can be an artifact's name."""
    valid = _NAME.fullmatch(name) is not None and len(name) <= _MAX_NAME_LENGTH
    return valid and not _is_reserved(name)


def check_alias(alias: str) -> str:
    """Return a valid alias, or refuse it.

    Raises:
        InvalidReferenceError: The alias has other characters, or reads as a version, in capitals
            or not.
    """
    if not _NAME.fullmatch(alias) or len(alias) > _MAX_NAME_LENGTH:
        raise InvalidReferenceError(
            f"{alias!r} is no alias.",
            hint="Start with a letter or digit and go on with letters, digits, '.', '_' or '-'.",
        )
    if _is_reserved(alias.lower()):
        raise InvalidReferenceError(
            f"{alias!r} cannot be an alias: it reads as a version.",
            hint="Choose a word such as 'production'.",
        )
    return alias


def is_reference(text: str) -> bool:
    """Tell a reference from a path or URI; a bare name counts as a reference."""
    try:
        ArtifactReference.parse(text)
    except InvalidReferenceError:
        return False
    return True


def is_explicit_reference(text: str) -> bool:
    """Tell whether a text can only be a reference: it has ``art://`` or a version or alias."""
    return (text.startswith(SCHEME) or ":" in text) and is_reference(text)


def looks_like_path(text: str) -> bool:
    """Tell whether a text names a place rather than an artifact."""
    if text.startswith(SCHEME):
        return False
    return (
        "://" in text
        or text.startswith(("/", "./", "../", "~"))
        or text in {".", ".."}
        or ("/" in text and not _QUALIFIED.fullmatch(text))
    )


def _split_inside(text: str) -> tuple[str, str]:
    """Split off the path inside the artifact, which only ``art://`` can be followed by."""
    rest = text.removeprefix(SCHEME)
    if rest == text:
        return rest, ""
    owned = _OWNED_VERSION.match(rest)
    start = rest.find("/", owned.end() if owned else 0)
    whole, slash, inside = (rest, "", "") if start < 0 else (rest[:start], "/", rest[start + 1 :])
    if slash and (_UNUSUAL.search(inside) or {"", ".", ".."} & set(inside.split("/"))):
        raise InvalidReferenceError(
            f"{inside!r} is no path inside an artifact.",
            where=text,
            hint="Write a relative path of plain names, such as art://NAME:v3/sub/blend.json.",
        )
    return whole, inside


def _normal_selector(selector: str, text: str, name: str) -> str:
    version = _VERSION.fullmatch(selector)
    if version and len(version.group(1)) > _MAX_VERSION_DIGITS:
        raise InvalidReferenceError(
            f"The version {selector[:20]!r}… has {len(version.group(1))} digits.",
            where=name,
            hint=f"Use at most {_MAX_VERSION_DIGITS}.",
        )
    if version:
        return f"v{int(version.group(1))}"
    if selector == LATEST:
        return selector
    if not _NAME.fullmatch(selector):
        raise InvalidReferenceError(
            f"{selector!r} is no version or alias.",
            where=text,
            hint="Use latest, a version such as v3, or an alias of letters, digits, '.', '_', '-'.",
        )
    return selector


def _is_reserved(word: str) -> bool:
    return word == LATEST or _VERSION.fullmatch(word) is not None
