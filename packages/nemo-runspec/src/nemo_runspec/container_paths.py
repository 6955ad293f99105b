"""Host paths of what a container sees, so that later jobs find what this one wrote."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

_RUN_MOUNT = PurePosixPath("/nemo_run")
_OCTAL_ESCAPE = re.compile(rb"\\([0-7]{3})")
_VIRTUAL_SOURCES = frozenset({"overlay", "tmpfs", "proc", "sysfs", "none", "rootfs"})
_MIN_MOUNT_FIELDS = 2


def resolve_host_path(
    path: str | Path,
    *,
    environ: Mapping[str, str] | None = None,
    mounts: str | Path = "/proc/mounts",
) -> Path:
    """Translate a path inside a job's container to the path on the host.

    ``/nemo_run/…`` is looked up in ``NEMO_RUN_DIR`` first, then in the mount table, where the
    longest bind mount that holds the path wins. Any other path, and a path that no source
    explains, comes back unchanged.

    Args:
        path: An absolute path as the job sees it.
        environ: The environment to read; by default the process's own.
        mounts: A mount table in the format of ``/proc/mounts``, with octal escapes.
    """
    inside = PurePosixPath(path)
    if not inside.is_relative_to(_RUN_MOUNT):
        return Path(path)
    variables = os.environ if environ is None else environ
    run_dir = variables.get("NEMO_RUN_DIR")
    if run_dir and not PurePosixPath(run_dir).is_relative_to(_RUN_MOUNT):
        return Path(run_dir) / inside.relative_to(_RUN_MOUNT)
    return _from_mounts(inside, Path(mounts))


def _from_mounts(inside: PurePosixPath, table: Path) -> Path:
    if not table.is_file():
        return Path(inside)
    held = [
        (target, source)
        for source, target in _bind_mounts(os.fsdecode(table.read_bytes()))
        if target != PurePosixPath("/") and inside.is_relative_to(target)
    ]
    if not held:
        return Path(inside)
    target, source = max(held, key=lambda mount: len(mount[0].parts))
    return Path(source) / inside.relative_to(target)


def _bind_mounts(table: str) -> list[tuple[PurePosixPath, PurePosixPath]]:
    mounts: list[tuple[PurePosixPath, PurePosixPath]] = []
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < _MIN_MOUNT_FIELDS:
            continue
        source, target = (_decode(field) for field in fields[:2])
        if source in _VIRTUAL_SOURCES or not source.startswith("/") or source.startswith("/dev/"):
            continue
        mounts.append((PurePosixPath(source), PurePosixPath(target)))
    return mounts


def _decode(field: str) -> str:
    raw = os.fsencode(field)
    return os.fsdecode(_OCTAL_ESCAPE.sub(lambda match: bytes([int(match.group(1), 8)]), raw))
