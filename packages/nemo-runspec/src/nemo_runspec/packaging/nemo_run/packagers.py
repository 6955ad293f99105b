"""Our packagers as NeMo-Run's own: importing this imports NeMo-Run.

NeMo-Run keeps its objects as configurations, so that their fields are plain texts and lists.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_runspec.errors import MissingDependencyError
from nemo_runspec.exports import require
from nemo_runspec.packaging.archives.self_contained import SelfContainedArchive
from nemo_runspec.packaging.code import packager as code

if TYPE_CHECKING:
    from nemo_runspec.packaging.code.ssh.target import SshTarget


def _base() -> Any:
    """NeMo-Run's base class; importing it takes two seconds."""
    try:
        found = require(
            "nemo_run.core.packaging", wanted="nemo_runspec.packaging.nemo_run", install="nemo-run"
        )
    except MissingDependencyError as error:
        raise MissingDependencyError(
            error.what, hint="Install it with: pip install 'nemo-runspec[run]'"
        ) from error
    except ImportError as error:
        raise MissingDependencyError(
            f"NeMo-Run cannot be imported: {error}.",
            hint="Install what it works with: pip install 'nemo-runspec[run]'",
        ) from error
    return found.Packager


_Packager: Any = _base()


@dataclass(kw_only=True)
class CodePackager(_Packager):  # type: ignore[misc] # NeMo-Run is not there to be checked
    """Gives executors the working tree as git sees it, and a launcher for one recipe.

    Attributes:
        script: The recipe that ``main.py`` runs; relative to the working directory.
        config: The configuration that goes beside it as ``config.yaml``.
        exclude: Patterns as in .gitignore for what stays here.
        packages: Folders in the tree that packages are imported from, if not found.
        warn_above_bytes: Size of the tree from which on there is a warning.
    """

    script: str = ""
    config: str = ""
    exclude: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    warn_above_bytes: int = code.LARGE_BYTES

    def package(self, path: Path, job_dir: str, name: str) -> str:
        """Write the archive that the executor unpacks, see ``CodePackager`` without NeMo-Run."""
        return self._plain().package(path, job_dir, name)

    def sent_to(self, target: SshTarget, *, job: str, path: Path | None = None) -> CodePackager:
        """Send the tree ahead, incrementally, and let a Slurm job link to it.

        Args:
            target: The machine that the executor's tunnel leads to. Jobs in containers see the
                folder where it lies below the one that holds NeMo-Run's experiments.
            job: Name of the job's folder there.
            path: A folder in the working tree; by default the working directory.

        Returns:
            A packager for the executor, which has nothing left to package.

        Raises:
            PackagingError: The tree cannot be packaged.
            TransferError: It cannot be sent.
        """
        sent = self._plain().send(path or Path.cwd(), target, job=job)
        linked = dataclasses.replace(self)
        linked.symlink_from_remote_dir = sent.job
        return linked

    def _plain(self) -> code.CodePackager:
        return code.CodePackager(
            script=Path(self.script) if self.script else None,
            config=Path(self.config) if self.config else None,
            exclude=tuple(self.exclude),
            packages=tuple(self.packages),
            warn_above_bytes=self.warn_above_bytes,
        )


@dataclass(kw_only=True)
class SelfContainedPackager(_Packager):  # type: ignore[misc] # NeMo-Run is not there to be checked
    """Gives executors one ``main.py`` that needs nothing of ours to be installed.

    Attributes:
        script: The recipe; relative to the working directory.
        config: Its configuration.
        packages: Packages that travel along, see ``package_script``.
    """

    script: str
    config: str = ""
    packages: list[str] = field(default_factory=list)

    def package(self, path: Path, job_dir: str, name: str) -> str:
        """Write the archive that the executor unpacks."""
        archive = SelfContainedArchive(
            script=Path(self.script),
            config=Path(self.config) if self.config else None,
            packages=tuple(self.packages),
        )
        return archive.package(path, job_dir, name)
