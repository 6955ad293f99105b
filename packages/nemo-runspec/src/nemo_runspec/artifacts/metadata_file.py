"""``metadata.json``: the flat dump of an artifact beside its data."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.paths import RemotePath, local_path
from nemo_runspec.atomic import write_atomically
from nemo_runspec.errors import ArtifactError
from nemo_runspec.json_values import json_text

logger = logging.getLogger(__name__)

METADATA_FILE = "metadata.json"


def read_metadata(place: Path | RemotePath) -> dict[str, Any] | None:
    """Read the metadata beside an artifact's data.

    Args:
        place: The artifact's folder, or its metadata file itself.

    Returns:
        The document, or None where there is none.

    Raises:
        ArtifactError: The file is no JSON object.
    """
    local = local_path(place)
    if local is None:
        return _parse(_read_remote(place / METADATA_FILE), str(place / METADATA_FILE))
    file = local / METADATA_FILE if local.is_dir() else local.parent / METADATA_FILE
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(error, file) from error
    return _parse(content, str(file))


def write_metadata(place: Path | RemotePath, document: Mapping[str, Any]) -> Path | None:
    """Write the metadata beside an artifact's data, where that is a writable local folder.

    A file of this name that somebody else made is left alone: Megatron-Core has one too.

    Args:
        place: The artifact's folder.
        document: JSON values.

    Returns:
        The file, or None where there is no such folder, it cannot be written, or the name is
        taken.
    """
    local = local_path(place)
    if local is None:
        return None
    file = local / METADATA_FILE
    try:
        if not local.is_dir():
            return None
        if not _is_ours(file):
            logger.warning("%s is not ours and stays as it is.", file)
            return None
        write_atomically(file, json_text(document))
    except OSError as error:
        logger.warning("No metadata.json beside %s: %s.", local, error.strerror or error)
        return None
    return file


def _is_ours(file: Path) -> bool:
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError:
        return True
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and {"type", "path"} <= document.keys()


def _read_remote(file: Path | RemotePath) -> bytes | None:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(str(file))
        return bytes(filesystem.cat_file(path))
    except FileNotFoundError:
        return None
    except (ImportError, ValueError, OSError) as error:
        raise _unreadable(error, file) from error


def _unreadable(error: Exception, file: Path | RemotePath) -> ArtifactError:
    return ArtifactError(
        f"The metadata cannot be read: {str(error).rstrip('.')}.",
        where=str(file),
        hint="Check that the storage can be reached from here and that its package is installed.",
    )


def _parse(content: bytes | None, where: str) -> dict[str, Any] | None:
    if content is None:
        return None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"The metadata is no JSON: {error}.", where=where, hint="Prepare the artifact again."
        ) from error
    if not isinstance(document, dict):
        raise ArtifactError("The metadata is no JSON object.", where=where)
    return document
