"""Send jobs to where they are submitted, and take them away again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from nemo_runspec.errors import ExecutionError, TransferError
from nemo_runspec.execution.profiles import Profile
from nemo_runspec.execution.shells import ClusterShell, SshShell
from nemo_runspec.execution.shells.base import stop_sending
from nemo_runspec.execution.submission.model import PreparedSubmission, SentTree
from nemo_runspec.execution.submission.mounting import place_container
from nemo_runspec.execution.submission.sbatch import ID_FILE


def send_all(prepared: PreparedSubmission, shell: ClusterShell) -> PreparedSubmission:
    """Put the job's folder, and what it shares with others, where it will run.

    Args:
        prepared: The job, which is all of its experiment.
        shell: A shell of that machine.

    Returns:
        The job as it was sent: what is mounted into a container is a folder there.

    Raises:
        TransferError: The machine cannot be reached, is full, or lets nobody write there.
        ExecutionError: The code changed since the job was prepared.
    """
    (sent,) = send_experiment([prepared], lambda _profile: shell)
    return sent


def send_experiment(
    jobs: Sequence[PreparedSubmission], shell_of: Callable[[Profile], ClusterShell]
) -> tuple[PreparedSubmission, ...]:
    """Put an experiment where its jobs will run: all of it or nothing.

    It goes once to every folder that jobs of it lie in, which is one where they have one profile.

    Args:
        jobs: The experiment's jobs.
        shell_of: Gives the shell of a profile's machine, the same one for the same machine.

    Returns:
        The jobs as they were sent: what is mounted into a container is a folder there.

    Raises:
        TransferError: A machine cannot be reached, is full, or lets nobody write there.
        ExecutionError: The code changed since the jobs were prepared.
    """
    shells = [shell_of(job.profile) for job in jobs]
    _send_trees(jobs, shells)
    placed = tuple(place_container(job, shell) for job, shell in zip(jobs, shells, strict=True))
    sent: dict[tuple[str, int], tuple[PreparedSubmission, ClusterShell]] = {}
    for job, shell in zip(placed, shells, strict=True):
        place = (job.place.experiment_dir, id(shell))
        if place in sent:
            continue
        try:
            _send(job, shell)
        except BaseException as error:
            for other, its_shell in sent.values():
                take_away(other, its_shell, error)
            raise
        sent[place] = (job, shell)
    return placed


def take_away(prepared: PreparedSubmission, shell: ClusterShell, error: BaseException) -> None:
    """Remove what was sent of a job, since it failed to be submitted.

    Where no other job of its experiment is submitted, all of the experiment goes.

    Args:
        prepared: The job.
        shell: A shell of that machine.
        error: Why; where nothing can be removed either, it gets to name what was left.
    """
    place = prepared.place
    folder = PurePosixPath(place.experiment_dir)
    # What took the folder there may outlive the connection, and only now be done with it.
    script = f"""
{stop_sending(place.experiment_dir)}
rm -rf {shlex.quote(place.job_dir)} {shlex.quote(place.script)}
for submitted in {shlex.quote(place.experiment_dir)}/*/{ID_FILE}; do
    [ -e "$submitted" ] && exit 0
done
rm -rf {shlex.quote(str(folder))}; rmdir {shlex.quote(str(folder.parent))}; true
"""
    try:
        shell.run(script, check=False)
    except TransferError:
        error.add_note(f"What was sent is still on {shell.where}: {folder}")


def _send(job: PreparedSubmission, shell: ClusterShell) -> None:
    try:
        shell.send(job.contents, job.place.experiment_dir)
    except ExecutionError:
        # Nothing of this job is there; what is may be another's.
        raise
    except BaseException as error:
        take_away(job, shell, error)
        raise


def _send_trees(jobs: Sequence[PreparedSubmission], shells: Sequence[ClusterShell]) -> None:
    """Send each working tree once, whichever jobs share it."""
    sent: set[tuple[str, int]] = set()
    for job, shell in zip(jobs, shells, strict=True):
        if job.tree is None or not isinstance(shell, SshShell):
            continue
        if (job.tree.path, id(shell)) not in sent:
            _send_tree(job.tree, shell)
        sent.add((job.tree.path, id(shell)))


def _send_tree(tree: SentTree, shell: SshShell) -> None:
    sent = tree.packager.send(tree.source, shell.through(tree.root))
    if sent.digest != tree.digest:
        raise ExecutionError(
            "The code changed while the job was prepared.",
            where=str(tree.source),
            hint="Submit it again.",
        )
