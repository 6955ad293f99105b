"""Why a job could not record its manifest: whether the root can be written to."""

from __future__ import annotations

import tempfile
from pathlib import Path

from nemo_runspec.artifacts.paths import local_path

_PROBE_BYTES = 4096


def root_problem(root: str) -> str | None:
    """Try to write where a manifest root is, or would be created; nothing stays there.

    Args:
        root: A local folder; other stores are not tried.

    Returns:
        What is wrong, or None where a file could be written.
    """
    folder = local_path(root)
    if folder is None:
        return None
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(b"\0" * _PROBE_BYTES)
            probe.flush()
    except OSError as error:
        return f"the root {Path(root)} cannot be written to ({error.strerror})"
    return None
