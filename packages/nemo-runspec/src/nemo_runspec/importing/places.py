"""The place that an import is given, and the small JSON files in it."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.paths import expand_home, local_path
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError, UsageError


def existing_place(given: str | Path) -> Path:
    """Find the file or folder that an import is given.

    Args:
        given: A local path, with ``~`` or ``file://`` if need be.

    Returns:
        Its absolute path; links in it are kept.

    Raises:
        UsageError: It lies on remote storage.
        ArtifactNotFoundError: It does not exist.
        ArtifactError: It cannot be read.
    """
    local = local_path(given)
    if local is None:
        raise UsageError(
            "An import looks at files, and these lie on remote storage.",
            where=str(given),
            hint="Mount the storage, or copy the files to a folder that this machine sees.",
        )
    place = Path(os.path.normpath(expand_home(local).absolute()))
    try:
        place.stat()
    except FileNotFoundError as error:
        raise ArtifactNotFoundError(
            "The path does not exist.", where=str(place), hint="Check its spelling."
        ) from error
    except OSError as error:
        raise unreadable(place, error) from error
    return place


def read_small(file: Path) -> bytes:
    """Read a small file; a pipe, which nobody may ever write to, is not waited for.

    Raises:
        OSError: The file cannot be read.
    """
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError(errno.EINVAL, "It is no regular file", str(file))
    return file.read_bytes()


def read_json(file: Path) -> dict[str, Any]:
    """Read a small JSON object.

    Raises:
        ArtifactError: The file cannot be read, or is no JSON object; the line and column are
            named.
    """
    try:
        document = json.loads(read_small(file))
    except OSError as error:
        raise unreadable(file, error) from error
    except json.JSONDecodeError as error:
        place = f"{file}:{error.lineno}:{error.colno}"
        raise ArtifactError(f"The file is no valid JSON: {error.msg}.", where=place) from error
    except UnicodeDecodeError as error:
        raise ArtifactError("The file is no UTF-8 text.", where=str(file)) from error
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, or brackets nested as deep.
        problem = str(error).partition(";")[0]
        raise ArtifactError(f"The file cannot be used: {problem}.", where=str(file)) from error
    if not isinstance(document, dict):
        raise ArtifactError(
            f"The file holds a {type(document).__name__}, not a JSON object.", where=str(file)
        )
    return document


def is_below(path: Path, folder: Path) -> bool:
    """Tell whether a path, as it is written, leads to something in a folder."""
    return Path(os.path.normpath(path)).is_relative_to(folder)


def unreadable(path: Path, error: OSError) -> ArtifactError:
    """Make the error for a file or folder that cannot be read."""
    return ArtifactError(
        f"It cannot be read: {error.strerror or error}.",
        where=str(path),
        hint="Check that you may read it.",
    )
