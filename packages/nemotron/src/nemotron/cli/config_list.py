"""The configurations of a recipe, with what their first comment says; nothing is parsed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_SUFFIXES = frozenset({".yaml", ".yml", ".toml", ".json"})
_NO_SUMMARY = ("yaml-language-server:", "SPDX-", "Copyright")


class ConfigFile(NamedTuple):
    """One configuration.

    Attributes:
        name: What ``--config`` takes.
        path: The file.
        summary: The first sentence of its comment; empty where it has none.
    """

    name: str
    path: Path
    summary: str


def list_configs(folder: Path) -> list[ConfigFile]:
    """List the configurations of a folder, sorted by name."""
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    return [
        ConfigFile(path.stem, path, _summary(path))
        for path in files
        if not path.name.startswith(".")
    ]


def _summary(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return _first_sentence(_comment(stream))
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _comment(lines: Iterable[str]) -> str:
    """The first paragraph of the comment that a file begins with."""
    found: list[str] = []
    for line in lines:
        comment = line.strip()
        text = comment.lstrip("#").strip()
        if comment and not comment.startswith("#"):
            break
        if text and not text.startswith(_NO_SUMMARY):
            found.append(text)
        elif found:
            break
    return " ".join(found)


def _first_sentence(text: str) -> str:
    first, stop, rest = text.partition(". ")
    return f"{first}." if stop and rest else text
