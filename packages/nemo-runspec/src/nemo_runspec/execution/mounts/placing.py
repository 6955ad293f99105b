"""Make the mounts of a profile real: repositories are cloned, and mounted from the cache."""

from __future__ import annotations

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.mounts.cloning import clone_once
from nemo_runspec.execution.profiles import Profile
from nemo_runspec.execution.shells import ClusterShell
from nemo_runspec.resolvers.auto_mount import AutoMount, parse_auto_mount

_PREFIX = "git+"
# Here the machine that the shell is on has the folders that the containers see.
_SHARING = ("slurm", "docker")


def place_mounts(profile: Profile, shell: ClusterShell, cache_dir: str) -> tuple[str, ...]:
    """Clone what ``${auto_mount:git+URL@REF,TARGET}`` names, and give all mounts as folders.

    Args:
        profile: The profile; its ``mounts`` may hold ``git+URL@REF:TARGET``.
        shell: The machine that jobs are submitted on.
        cache_dir: Where clones are kept there; ``~`` is the user's home.

    Returns:
        The mounts, each ``path:target``, in their order.

    Raises:
        ExecutionError: The executor has no containers, or they cannot see the cache; or git
            fails, with the cure.
        ConfigError: A mount is malformed.
        TransferError: The machine cannot be reached.
    """
    return tuple(_placed(mount, profile, shell, cache_dir) for mount in profile.mounts)


def _placed(mount: str, profile: Profile, shell: ClusterShell, cache_dir: str) -> str:
    if not mount.startswith(_PREFIX):
        return mount
    repository = read_auto_mount(mount)
    _check(profile, mount)
    return f"{clone_once(repository, shell, cache_dir)}:{repository.target}"


def read_auto_mount(mount: str) -> AutoMount:
    """Read ``git+URL@REF:TARGET``, which ``${auto_mount:…}`` stands for.

    Raises:
        ConfigError: It is malformed.
    """
    source, _, target = mount.rpartition(":")
    return parse_auto_mount(source, target)


def _check(profile: Profile, mount: str) -> None:
    if profile.executor not in _SHARING:
        raise ExecutionError(
            f"The containers of the executor {profile.executor!r} see no folder that a "
            "repository could be cloned to.",
            where=f"{profile.name}.mounts: {mount}",
            hint="Remove the mount, and clone it with a startup command.",
        )
    if profile.container_image is None:
        raise ExecutionError(
            "A repository is mounted into a container, and the job has none.",
            where=f"{profile.name}.mounts: {mount}",
            hint='Name an image: container_image = "…", or remove the mount.',
        )
