"""Send a job to where it is submitted, and take it away again."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import PurePosixPath

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.shells import ClusterShell, SshShell
from nemo_runspec.execution.submission.model import PreparedSubmission, SentTree


def send_all(prepared: PreparedSubmission, shell: ClusterShell) -> None:
    """Put the job's folder, and the tree that it shares, where it will run.

    Args:
        prepared: The job.
        shell: A shell of that machine.

    Raises:
        TransferError: The machine cannot be reached, is full, or lets nobody write there.
        ExecutionError: The code changed since the job was prepared.
    """
    if prepared.tree is not None and isinstance(shell, SshShell):
        _send_tree(prepared.tree, shell)
    shell.send(prepared.contents, prepared.place.experiment_dir)


def remove(prepared: PreparedSubmission, shell: ClusterShell) -> None:
    """Take the job's folder away again.

    Raises:
        TransferError: The machine cannot be reached any more.
    """
    folder = PurePosixPath(prepared.place.experiment_dir)
    above = shlex.quote(str(folder.parent))
    shell.run(f"rm -rf {shlex.quote(str(folder))}; rmdir {above} 2>/dev/null; true", check=False)


def _send_tree(tree: SentTree, shell: SshShell) -> None:
    sent = tree.packager.send(tree.source, replace(shell.target, root=tree.root))
    if sent.digest != tree.digest:
        raise ExecutionError(
            "The code changed while the job was prepared.",
            where=str(tree.source),
            hint="Submit it again.",
        )
