"""Read what another program archived."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from nemo_runspec.packaging.code.archive import Member
from nemo_runspec.packaging.code.tree import Kind


def archive_members(archive: tarfile.TarFile, folder: Path, *, below: str = "") -> Iterator[Member]:
    """Unpack an archive's files into a folder, and list them as members of another one.

    Args:
        archive: An archive that this machine has written.
        folder: Where its files are kept until the other one is written.
        below: The folder that they get there.
    """
    for number, info in enumerate(archive):
        name = f"{below}/{info.name}" if below else info.name
        if info.issym():
            yield Member(name, "link", os.fsencode(info.linkname))
        elif info.isfile():
            kind: Kind = "executable" if info.mode & stat.S_IXUSR else "file"
            yield Member(name, kind, _unpack(archive, info, folder / str(number)))


def _unpack(archive: tarfile.TarFile, info: tarfile.TarInfo, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    content = archive.extractfile(info)
    with target.open("wb") as out:
        while content is not None and (chunk := content.read(1 << 20)):
            out.write(chunk)
    return target
