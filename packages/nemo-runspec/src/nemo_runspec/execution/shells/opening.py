"""The shell that a profile's jobs are submitted from."""

from __future__ import annotations

from nemo_runspec.execution.profiles import Profile, SlurmProfile
from nemo_runspec.execution.shells.base import ClusterShell
from nemo_runspec.execution.shells.local import LocalShell
from nemo_runspec.execution.shells.ssh import SshShell


def open_shell(profile: Profile) -> ClusterShell:
    """Give the shell of a profile; it connects when it is first used.

    Args:
        profile: A Slurm profile with an SSH tunnel leads to its host, every other one stays here.
    """
    target = profile.ssh_target() if isinstance(profile, SlurmProfile) else None
    return LocalShell() if target is None else SshShell(target)
