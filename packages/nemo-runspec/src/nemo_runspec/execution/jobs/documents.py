"""Records on disk: JSON, written whole, with the version of their format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from nemo_runspec.atomic import write_atomically
from nemo_runspec.errors import ExecutionError


def write_document(file: Path, content: Mapping[str, Any], *, about: str) -> None:
    """Write a record.

    Args:
        file: The file.
        content: JSON values.
        about: What it is, for messages: ``The job's record``.

    Raises:
        ExecutionError: It cannot be written.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False)
    try:
        # Names of files may be no UTF-8.
        write_atomically(file, f"{text}\n".encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise unwritable(file, error, about=about) from error


def read_document(file: Path, *, about: str, version: int, hint: str | None = None) -> Any:
    """Read a record.

    Args:
        file: The file.
        about: What it is, for messages.
        version: The format that this release writes.
        hint: What to do where it is damaged.

    Raises:
        FileNotFoundError: There is none.
        ExecutionError: It is damaged, or a newer release wrote it.
    """
    try:
        content = json.loads(file.read_bytes())
        written = content["format_version"]
        newer = written > version
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise damaged(file, error, about=about, hint=hint) from error
    if newer:
        raise ExecutionError(
            f"{about} has format {written}; this release reads up to {version}.",
            where=str(file),
            hint="Upgrade nemo-runspec.",
        )
    return content


def known_fields(kind: type, content: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what this release knows of a record: another of the same format may say more.

    Args:
        kind: The dataclass.
        content: What was read.
    """
    names = {each.name for each in fields(kind)}
    return {key: value for key, value in content.items() if key in names}


def damaged(file: Path, error: Exception, *, about: str, hint: str | None = None) -> ExecutionError:
    """Say that a record cannot be used."""
    return ExecutionError(f"{about} cannot be read: {error}.", where=str(file), hint=hint)


def unwritable(place: Path, error: OSError, *, about: str) -> ExecutionError:
    """Say that a record cannot be written."""
    return ExecutionError(
        f"{about} cannot be written: {error.strerror or error}.",
        where=str(place),
        hint="Free some space there, or start from a folder that you may write to.",
    )
