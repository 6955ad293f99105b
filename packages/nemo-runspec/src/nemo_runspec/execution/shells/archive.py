"""A folder as one archive, as it is."""

from __future__ import annotations

import tarfile
from pathlib import Path

_LEVEL = 1


def write_contents(folder: Path, archive: Path) -> None:
    """Write the contents of a folder, owned by whoever unpacks them.

    Args:
        folder: The folder; its own name is not kept.
        archive: The ``.tar.gz`` that is written.
    """
    with tarfile.open(archive, "w:gz", compresslevel=_LEVEL) as opened:
        for path in sorted(folder.iterdir()):
            opened.add(path, arcname=path.name, filter=_without_owner)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
