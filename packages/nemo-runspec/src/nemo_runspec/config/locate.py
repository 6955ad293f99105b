"""Say on which line of a configuration file a key stands; used when something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from nemo_runspec.toml_text import line_of


def key_line(file: Path, keys: Sequence[str]) -> int | None:
    """Find the line of a key; in TOML, if need be, that of the nearest table around it.

    Args:
        file: A YAML, TOML or JSON file.
        keys: The key with the names of the sections around it, outermost first; a list's
            element by its index.

    Returns:
        The 1-based line, or None where it cannot be told.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".toml":
            return line_of(text, keys)
        return _line_in_yaml(yaml.compose(text, Loader=yaml.SafeLoader), keys)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _line_in_yaml(node: yaml.Node | None, keys: Sequence[str]) -> int | None:
    line: int | None = None
    for key in keys:
        found = _child(node, key)
        if found is None:
            return None
        line, node = found
    return line


def _child(node: yaml.Node | None, key: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return name.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and key.isdecimal() and int(key) < len(node.value):
        element = node.value[int(key)]
        return element.start_mark.line + 1, element
    return None
