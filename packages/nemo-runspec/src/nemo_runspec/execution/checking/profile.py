"""Look at all that a profile's jobs need; nothing is changed anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from nemo_runspec.execution.checking.clouds import check_cloud
from nemo_runspec.execution.checking.docker import check_docker
from nemo_runspec.execution.checking.here import check_here, check_nemo_run
from nemo_runspec.execution.checking.kubernetes import check_kubernetes
from nemo_runspec.execution.checking.model import Check
from nemo_runspec.execution.checking.slurm import check_slurm
from nemo_runspec.execution.profiles.clouds import DgxCloudProfile, LeptonProfile, SkypilotProfile
from nemo_runspec.execution.profiles.kubernetes import KubeflowProfile, KubeRayProfile
from nemo_runspec.execution.profiles.local import DockerProfile, LocalProfile
from nemo_runspec.execution.profiles.model import Profile
from nemo_runspec.execution.profiles.slurm import SlurmProfile


def check_profile(profile: Profile) -> Iterator[Check]:
    """Look at what a profile's jobs need, one thing after the other; each takes bounded time.

    Args:
        profile: The profile.

    Yields:
        What was found, as it is found.
    """
    if isinstance(profile, LocalProfile):
        yield from check_here(profile)
        return
    yield check_nemo_run()
    if isinstance(profile, SlurmProfile):
        yield from check_slurm(profile)
    elif isinstance(profile, DockerProfile):
        yield from check_docker(profile)
    elif isinstance(profile, (KubeflowProfile, KubeRayProfile)):
        yield from check_kubernetes(profile)
    elif isinstance(profile, (SkypilotProfile, DgxCloudProfile, LeptonProfile)):
        yield from check_cloud(profile)
