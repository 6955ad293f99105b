"""The ``self_contained`` packager, as an archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.packaging.code.archive import Member, write_archive
from nemo_runspec.packaging.self_contained import package_script
from nemo_runspec.scratch import scratch_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfContainedArchive:
    """Sends one ``main.py`` that needs nothing of ours to be installed.

    Attributes:
        script: The recipe.
        config: Its configuration, which goes beside ``main.py`` with the files that it names.
        packages: Packages that travel along, see ``package_script``.
    """

    script: Path
    config: Path | None = None
    packages: tuple[str, ...] = ()

    def package(self, path: Path, job_dir: str | Path, name: str) -> str:  # noqa: ARG002 - the script says where
        """Write the archive.

        Raises:
            PackagingError: The recipe or its configuration cannot be packaged, or the archive
                cannot be written.
        """
        output = Path(job_dir) / f"{name}.tar.gz"
        with scratch_folder("job") as folder:
            job = Path(folder) / "job"
            made = package_script(self.script, job, config=self.config, packages=self.packages)
            files = [made.main, *made.files, *([made.config] if made.config else [])]
            write_archive(output, [_member(file, job) for file in files])
        return str(output)


def _member(file: Path, folder: Path) -> Member:
    return Member(file.relative_to(folder).as_posix(), "file", file)
