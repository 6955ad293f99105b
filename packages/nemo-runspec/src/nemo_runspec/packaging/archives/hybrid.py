"""The ``hybrid`` packager: what several packagers send, in one archive."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.packaging.archives.base import Packager
from nemo_runspec.packaging.archives.reading import archive_members
from nemo_runspec.packaging.code.archive import Member, write_archive
from nemo_runspec.scratch import scratch_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridPackager:
    """Puts the archives of several packagers into one; the options are those of NeMo-Run's.

    Attributes:
        sub_packagers: The folder that each packager's files get, and the packager.
        extract_at_root: Put all files at the top; of two with one path the later packager's stays.
    """

    sub_packagers: Mapping[str, Packager]
    extract_at_root: bool = False

    def package(self, path: Path, job_dir: str | Path, name: str) -> str:
        """Write the archive.

        Raises:
            PackagingError: One of the packagers fails, or the archive cannot be written.
        """
        output = Path(job_dir) / f"{name}.tar.gz"
        with scratch_folder("hybrid") as folder:
            write_archive(output, list(self._members(path, Path(folder))))
        return str(output)

    def _members(self, path: Path, folder: Path) -> Iterator[Member]:
        for number, (below, packager) in enumerate(self.sub_packagers.items()):
            written = packager.package(path, folder, str(number))
            if written is None:
                continue
            unpacked = folder / f"files-{number}"
            with tarfile.open(written) as archive:
                yield from archive_members(
                    archive, unpacked, below="" if self.extract_at_root else below
                )
