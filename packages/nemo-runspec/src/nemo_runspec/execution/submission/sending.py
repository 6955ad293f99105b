"""Send a job to where it is submitted, and take it away again."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from nemo_runspec.errors import ExecutionError, TransferError
from nemo_runspec.execution.shells import ClusterShell, SshShell
from nemo_runspec.execution.submission.model import PreparedSubmission, SentTree
from nemo_runspec.execution.submission.mounting import place_container


def send_all(prepared: PreparedSubmission, shell: ClusterShell) -> PreparedSubmission:
    """Put the job's folder, and what it shares with others, where it will run.

    Args:
        prepared: The job.
        shell: A shell of that machine.

    Returns:
        The job as it was sent: what is mounted into a container is a folder there.

    Raises:
        TransferError: The machine cannot be reached, is full, or lets nobody write there.
        ExecutionError: The code changed since the job was prepared.
    """
    if prepared.tree is not None and isinstance(shell, SshShell):
        _send_tree(prepared.tree, shell)
    placed = place_container(prepared, shell)
    try:
        shell.send(placed.contents, placed.place.experiment_dir)
    except ExecutionError:
        # Nothing of this job is there; what is may be another's.
        raise
    except BaseException as error:
        take_away(placed, shell, error)
        raise
    return placed


def take_away(prepared: PreparedSubmission, shell: ClusterShell, error: BaseException) -> None:
    """Remove what was sent, since the job failed to be submitted.

    Args:
        prepared: The job.
        shell: A shell of that machine.
        error: Why; where nothing can be removed either, it gets to name what was left.
    """
    folder = PurePosixPath(prepared.place.experiment_dir)
    script = f"rm -rf {shlex.quote(str(folder))}; rmdir {shlex.quote(str(folder.parent))}; true"
    try:
        shell.run(script, check=False)
    except TransferError:
        error.add_note(f"What was sent is still on {shell.where}: {folder}")


def _send_tree(tree: SentTree, shell: SshShell) -> None:
    sent = tree.packager.send(tree.source, shell.through(tree.root))
    if sent.digest != tree.digest:
        raise ExecutionError(
            "The code changed while the job was prepared.",
            where=str(tree.source),
            hint="Submit it again.",
        )
