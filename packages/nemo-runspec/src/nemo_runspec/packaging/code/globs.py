"""Patterns that leave files out, written as in .gitignore."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from nemo_runspec.errors import PackagingError

_ANYWHERE = "(?:.*/)?"
_TOKENS = re.compile(
    r"(?P<folders>(?:(?<=^)|(?<=/))\*\*/)|(?P<below>(?<=/)\*\*$)|(?P<star>\*+)|(?P<one>\?)"
    r"|\[(?P<not>[!^])?(?P<set>\]?[^\]/]*)\]|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)


def matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Build a function that tells whether a path matches one of some patterns.

    Args:
        patterns: As in .gitignore: one without a slash inside matches at any depth, one with a
            slash from the top; a slash at the end matches folders only; what lies in a folder
            that matches, matches. Lines that start with ``!`` are not understood.

    Raises:
        PackagingError: A pattern is empty or starts with ``!``.
    """
    compiled = [re.compile(_translate(pattern), re.DOTALL) for pattern in patterns]
    return lambda path: any(regex.fullmatch(path) for regex in compiled)


def _translate(pattern: str) -> str:
    if pattern.startswith("!") or not pattern.strip("/ "):
        raise PackagingError(
            f"'exclude' has the pattern {pattern!r}, which leaves nothing out.",
            hint="Write patterns as in .gitignore, without '!'.",
        )
    body = pattern.removesuffix("/")
    anchored = "/" in body
    found = _TOKENS.finditer(body.removeprefix("/"))
    inside = "/.*" if pattern.endswith("/") else "(?:/.*)?"
    return f"{'' if anchored else _ANYWHERE}{''.join(map(_part, found))}{inside}"


def _part(token: re.Match[str]) -> str:
    if token["folders"]:
        return _ANYWHERE
    if token["below"]:
        return ".*"
    if token["star"]:
        return "[^/]*"
    if token["one"]:
        return "[^/]"
    if token["set"]:
        characters = token["set"].replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")
        return f"[{'^/' if token['not'] else ''}{characters}]"
    return re.escape(token["escaped"] or token["plain"] or token[0])
