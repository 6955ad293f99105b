"""The ``pattern`` packager: files that patterns name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.packaging.archives.base import as_list, paired
from nemo_runspec.packaging.archives.patterns import pattern_members
from nemo_runspec.packaging.code.archive import write_archive
from nemo_runspec.packaging.code.secret_files import warn_of_secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternPackager:
    """Sends the files that patterns name; the options are those of NeMo-Run's.

    Attributes:
        include_pattern: Paths with ``*``, ``?`` and ``[…]``; absolute ones are clearest.
        relative_path: For each, the folder that its paths in the archive are relative to.
    """

    include_pattern: str | tuple[str, ...]
    relative_path: str | tuple[str, ...]

    def package(self, path: Path, job_dir: str | Path, name: str) -> str:  # noqa: ARG002 - the patterns say where
        """Write the archive.

        Raises:
            PackagingError: A pattern matches nothing, patterns and folders are not as many, or the
                archive cannot be written.
        """
        output = Path(job_dir) / f"{name}.tar.gz"
        options = ("include_pattern", "relative_path")
        pairs = paired(as_list(self.include_pattern), as_list(self.relative_path), options)
        members = [item for pair in pairs for item in pattern_members(*pair)]
        warn_of_secrets(member.name for member in members)
        write_archive(output, members)
        return str(output)
