"""Read one configuration file: YAML, TOML or JSON, told apart by the suffix."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.config.listing import SUFFIXES
from nemo_runspec.config.locate import key_line
from nemo_runspec.errors import ConfigError
from nemo_runspec.toml_text import TomlSyntaxError, parse_toml


def load_config_file(path: str | Path) -> DictConfig:
    """Read one file, without composing its ``defaults``; interpolations are kept.

    Args:
        path: A ``.yaml``, ``.yml``, ``.toml`` or ``.json`` file.

    Raises:
        ConfigError: The file cannot be read, its syntax is wrong (the message names the line),
            a key stands twice, or its top level is no mapping.
    """
    return OmegaConf.create(read_mapping(Path(path).expanduser()))


def read_mapping(file: Path) -> dict[Any, Any]:
    """Read one file into plain mappings, lists and values, interpolations as text.

    Raises:
        ConfigError: As in :func:`load_config_file`.
    """
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise ConfigError(
            f"A configuration cannot be read from a file named '{file.name}'.",
            where=str(file),
            hint=f"Use one of the suffixes {', '.join(SUFFIXES)}.",
        )
    try:
        content = reader(_read_text(file), file)
    except RecursionError as error:
        raise ConfigError("The file is nested too deeply.", where=str(file)) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"The top level is a {_kind(content)}, not a mapping.",
            where=str(file),
            hint="Write 'key: value' pairs at the top level.",
        )
    _check_values(content, file)
    return content


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError("The configuration file does not exist.", where=str(file)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            "The file is not UTF-8 text.", where=str(file), hint="Save it as UTF-8."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"The configuration file cannot be read: {error.strerror}.", where=str(file)
        ) from error


def _read_yaml(text: str, file: Path) -> Any:
    try:
        return _yaml_container(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise ConfigError(
            f"The file is no valid YAML: {error.problem or error.context}.",
            where=f"{file}:{line}",
        ) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(
            f"The file is no valid YAML: {error.reason}.", where=f"{file}:{line}"
        ) from error


def _yaml_container(text: str) -> Any:
    if not text.strip():
        return None
    try:
        loaded = OmegaConf.load(io.StringIO(text))
    except (OmegaConfBaseException, OSError):
        return yaml.safe_load(text)
    except ValueError as error:
        raise yaml.MarkedYAMLError(problem=str(error)) from error
    content = OmegaConf.to_container(loaded, resolve=False)
    # OmegaConf takes a bare text for a key without a value.
    bare = isinstance(content, dict) and list(content.values()) == [None]
    return yaml.safe_load(text) if bare else content


def _read_toml(text: str, file: Path) -> Any:
    try:
        return _plain_toml(parse_toml(text))
    except TomlSyntaxError as error:
        raise ConfigError(
            f"The file is no valid TOML: {error.message}.", where=f"{file}:{error.line}"
        ) from error


def _plain_toml(value: Any) -> Any:
    """Dates stay text, as in YAML files: configurations have no type for them."""
    if isinstance(value, dict):
        return {key: _plain_toml(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_toml(item) for item in value]
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    return value


class _DuplicateKeyError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _read_json(text: str, file: Path) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text, object_pairs_hook=_unique_pairs)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"The file is no valid JSON: {error.msg}.", where=f"{file}:{error.lineno}"
        ) from error
    except _DuplicateKeyError as error:
        found = list(re.finditer(rf"{re.escape(json.dumps(error.key))}\s*:", text))
        line = text.count("\n", 0, found[-1].start()) + 1 if found else 1
        raise ConfigError(
            f"The key '{error.key}' stands twice in one mapping.", where=f"{file}:{line}"
        ) from error


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise _DuplicateKeyError(key)
        content[key] = value
    return content


def _check_values(content: dict[Any, Any], file: Path) -> None:
    try:
        OmegaConf.create(content)
    except OmegaConfBaseException as error:
        key = error.full_key or "?"
        line = key_line(file, [part for part in re.split(r"[.\[\]]", key) if part])
        raise ConfigError(
            f"The value of '{key}' cannot be used: {first_line(error)}.",
            where=str(file) if line is None else f"{file}:{line}",
        ) from error


def first_line(error: BaseException) -> str:
    """Take the sentence out of an OmegaConf error, without its list of details."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _kind(value: Any) -> str:
    return "list" if isinstance(value, list) else f"single value ({value!r})"


_READERS: dict[str, Callable[[str, Path], Any]] = {
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".toml": _read_toml,
    ".json": _read_json,
}
