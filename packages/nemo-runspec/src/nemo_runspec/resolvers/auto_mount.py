"""``${auto_mount:git+URL@REF,TARGET}``: source code of a repository, mounted into the container.

The expression is parsed and checked here; it stands for its own canonical form,
``git+URL@REF:TARGET``, which an executor replaces by a mount.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from nemo_runspec.errors import ConfigError

_SOURCE = re.compile(r"git\+(?P<url>[^\s]+?)(?:@(?P<ref>[^@\s:]+))?")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*")
_SCHEMES = frozenset({"https", "ssh", "file"})
_HINT = "Write ${auto_mount:git+https://HOST/OWNER/NAME@REF,/target/in/container}."


@dataclass(frozen=True)
class AutoMount:
    """A repository to clone and mount.

    Attributes:
        url: Where to clone from.
        ref: The branch, tag or commit.
        target: The absolute path in the container.
    """

    url: str
    ref: str
    target: str

    def __str__(self) -> str:
        return f"git+{self.url}@{self.ref}:{self.target}"


def parse_auto_mount(source: str, target: str) -> AutoMount:
    """Check the two arguments of ``auto_mount``.

    Args:
        source: ``git+URL@REF``.
        target: An absolute path in the container, without ``..``.

    Raises:
        ConfigError: One of them is malformed, or the URL holds credentials.
    """
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise ConfigError(f"{source!r} is no git source.", hint=_HINT)
    url, ref = match["url"], match["ref"]
    parts = urlsplit(url)
    if parts.password is not None or (parts.scheme == "https" and parts.username is not None):
        raise ConfigError(
            "The git URL of an auto_mount holds credentials.",
            where=str(parts.hostname),
            hint="Leave them out; git finds them through its credential helper.",
        )
    if parts.scheme not in _SCHEMES or not parts.path.strip("/"):
        raise ConfigError(
            f"{url!r} is no URL of a git repository.",
            hint=f"Use one of {', '.join(sorted(_SCHEMES))}. {_HINT}",
        )
    if ref is None or not _REF.fullmatch(ref) or ".." in ref:
        raise ConfigError(f"{source!r} names no usable branch, tag or commit.", hint=_HINT)
    place = PurePosixPath(target)
    if not place.is_absolute() or ".." in place.parts or ":" in target or "," in target:
        raise ConfigError(f"{target!r} is no absolute path in the container.", hint=_HINT)
    return AutoMount(url, ref, str(place))


def resolve_auto_mount(*arguments: Any) -> str:
    """The resolver: two arguments in, the canonical form out.

    Raises:
        ConfigError: There are not two arguments, or one is malformed.
    """
    if len(arguments) != 2:  # noqa: PLR2004 - source and target
        raise ConfigError("auto_mount takes a source and a target.", hint=_HINT)
    return str(parse_auto_mount(str(arguments[0]), str(arguments[1])))
