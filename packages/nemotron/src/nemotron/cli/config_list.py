"""The configurations of a recipe, with what their first comment says; nothing is parsed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_SUFFIXES = frozenset({".yaml", ".yml", ".toml", ".json"})
_NO_SUMMARY = ("yaml-language-server:", "SPDX-", "Copyright")


class ConfigFile(NamedTuple):
    """One configuration.

    Attributes:
        name: What ``--config`` takes.
        path: The file.
        summary: Its first line of comment; empty where it has none.
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
            for line in stream:
                comment = line.strip()
                if comment and not comment.startswith("#"):
                    return ""
                text = comment.lstrip("#").strip()
                if text and not text.startswith(_NO_SUMMARY):
                    return text
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""
