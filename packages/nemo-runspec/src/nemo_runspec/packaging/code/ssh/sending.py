"""Send a tree to another machine: one question where it is there, else what has changed."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.errors import PackagingError, TransferError
from nemo_runspec.packaging.code.archive import Member, archive_bytes, tree_members, write_archive
from nemo_runspec.packaging.code.ssh import scripts
from nemo_runspec.packaging.code.ssh.failures import explain, is_disk_full, too_slow
from nemo_runspec.packaging.code.ssh.process import Finished, TooSlowError, run_bounded
from nemo_runspec.packaging.code.ssh.target import SshTarget
from nemo_runspec.packaging.code.tree import CodeTree
from nemo_runspec.scratch import scratch_folder

_logger = logging.getLogger(__name__)

_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STALLED_S = 60
# rsync's code for a file that cannot be read or written.
_FILE_ERROR = 11
_PROBE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class SentCode:
    """Where code lies on another machine.

    Attributes:
        target: The machine.
        tree: Absolute path of the tree there. Its files are shared between trees and read-only.
        job: Absolute path of the job's folder there, with ``main.py`` and a link ``code`` to the
            tree; None where no job was named.
        digest: The tree's digest.
        reused: Whether the tree was there before.
    """

    target: SshTarget
    tree: str
    job: str | None
    digest: str
    reused: bool


class Transfer:
    """One transfer of a tree, which may take several attempts where its files change meanwhile.

    Args:
        target: Where it goes.
        job: Name of the job's folder there; None for the tree alone.

    Raises:
        PackagingError: The name is no plain name.
    """

    def __init__(self, target: SshTarget, job: str | None) -> None:
        if job is not None and not _JOB.fullmatch(job):
            raise PackagingError(
                f"{job!r} is no name of a job.", hint="Use letters, digits, '.', '_' and '-'."
            )
        self._target = target
        self._job = job
        self._ends_at = time.monotonic() + target.timeout_s
        self._own_parts: list[str] = []

    def attempt(self, tree: CodeTree, members: Sequence[Member]) -> SentCode | None:
        """Send a tree, unless it is there.

        Args:
            tree: What is sent.
            members: The job's own files.

        Returns:
            Where it is; None where files changed while they were sent.

        Raises:
            TransferError: The machine cannot be reached, does not know us, or cannot take it; or
                the job has been sent before.
        """
        job_files = archive_bytes(members)
        found = self._shell(scripts.ask(self._target, tree.digest, self._job), job_files)
        if "found" in found:
            return self._sent(tree, found, reused=True)
        part = f".{tree.digest}.{secrets.token_hex(4)}"
        complete = self._fill(tree, part, found)
        self._own_parts.append(part)
        if not complete:
            return None
        found = self._shell(scripts.finish(self._target, tree.digest, part, self._job), job_files)
        return self._sent(tree, found, reused=False)

    def prune(self, unused_days: int) -> list[str]:
        """Remove trees that were not used for so many days, and return their digests."""
        return self._shell(scripts.prune(self._target, unused_days), b"").get("gone", [])

    def _fill(self, tree: CodeTree, part: str, found: dict[str, list[str]]) -> bool:
        """Send the files into a folder that is not complete yet; tell whether they held still."""
        if "rsync" in found and shutil.which("rsync"):
            done = self._rsync(tree, part, found)
        else:
            _logger.info("rsync is missing here or on %s; all is sent", self._target.host)
            done = self._archive(tree, part)
        complaint = self._complaint(done, tree, part) if done.code != 0 else ""
        if is_disk_full(complaint):
            self._shell(scripts.discard(self._target, part), b"")
        if tree.is_stale():
            return False
        if done.code != 0:
            raise explain(self._target, complaint)
        return True

    def _complaint(self, done: Finished, tree: CodeTree, part: str) -> str:
        """What went wrong; rsync sometimes ends before the other side's words have come."""
        if done.stderr.strip() or done.code != _FILE_ERROR:
            return done.stderr or f"ended with code {done.code}"
        largest = max(entry.size_bytes for entry in tree.entries)
        script = scripts.probe(self._target, part, min(largest, _PROBE_BYTES))
        probed = self._run(self._remote(script), b"", cwd=None)
        return probed.stderr or "a file could not be read or written"

    def _rsync(self, tree: CodeTree, part: str, found: dict[str, list[str]]) -> Finished:
        """Files that another tree or an interrupted transfer has are linked, and not sent."""
        known = [name for name in found.get("part", []) if name.startswith(f".{tree.digest}.")]
        known += [name for name in found.get("base", []) if scripts.is_digest(name)]
        bases = [f"--link-dest=../{name}" for name in [*self._own_parts, *known]]
        # Contents are compared, since times say nothing: checkouts and copies make them anew.
        compared = ["--checksum", *bases] if bases else []
        host = f"[{self._target.host}]" if ":" in self._target.host else self._target.host
        command = [
            "rsync",
            *("--files-from=-", "--from0", "--links", "--perms", "--chmod=Du+rwx,Fu+r,Fa-w"),
            *("--partial", "--compress", f"--timeout={_STALLED_S}", *compared),
            f"--rsync-path={scripts.receive_rsync(self._target)}",
            f"--rsh={' '.join(map(_rsh_word, self._target.ssh))}",
            "./",
            f"{host}:trees/{part}/",
        ]
        names = b"\0".join(os.fsencode(f"./{entry.path}") for entry in tree.entries)
        return self._run(command, names, cwd=tree.top)

    def _archive(self, tree: CodeTree, part: str) -> Finished:
        with scratch_folder("code") as folder:
            archive = Path(folder) / "tree.tar.gz"
            write_archive(archive, tree_members(tree))
            return self._run(
                self._remote(scripts.receive_archive(self._target, part)), archive, cwd=None
            )

    def _shell(self, script: str, given: bytes) -> dict[str, list[str]]:
        done = self._run(self._remote(script), given, cwd=None)
        found = scripts.answers(done.stdout)
        if "exists" in found:
            raise TransferError(
                f"The job {self._job!r} has been sent before.",
                where=str(self._target),
                hint="Choose another name.",
            )
        if done.code != 0:
            raise explain(self._target, done.stderr)
        return found

    def _remote(self, script: str) -> list[str]:
        return [*self._target.ssh, "--", self._target.host, script]

    def _run(self, command: Sequence[str], given: bytes | Path, cwd: Path | None) -> Finished:
        left_s = self._ends_at - time.monotonic()
        try:
            return run_bounded(command, timeout_s=max(left_s, 0.0), given=given, cwd=cwd)
        except TooSlowError as error:
            raise too_slow(self._target, self._target.timeout_s) from error

    def _sent(self, tree: CodeTree, found: dict[str, list[str]], *, reused: bool) -> SentCode:
        root = found.get("root", [self._target.root])[0].rstrip("/")
        job = None if self._job is None else f"{root}/jobs/{self._job}"
        return SentCode(self._target, f"{root}/trees/{tree.digest}", job, tree.digest, reused)


def prune_trees(target: SshTarget, *, unused_days: int = 30) -> tuple[str, ...]:
    """Remove the trees on another machine that no job was sent for lately.

    Args:
        target: The machine and the folder.
        unused_days: Trees that were used within so many days stay: longer than any job runs.

    Returns:
        The digests of what was removed.

    Raises:
        TransferError: The machine cannot be reached, or the folder not be written to.
    """
    if unused_days < 0:
        raise PackagingError(f"'unused_days' is {unused_days}.", hint="Use 0 or more.")
    return tuple(Transfer(target, None).prune(unused_days))


def _rsh_word(word: str) -> str:
    """Quote a word for rsync's own reading of --rsh, where a doubled quote is one."""
    return "'" + word.replace("'", "''") + "'"
