"""Profiles of env.toml as checked models: where and with what a job runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.execution.profiles.clouds import DgxCloudProfile as DgxCloudProfile
    from nemo_runspec.execution.profiles.clouds import LeptonProfile as LeptonProfile
    from nemo_runspec.execution.profiles.clouds import SkypilotProfile as SkypilotProfile
    from nemo_runspec.execution.profiles.kubernetes import KubeflowProfile as KubeflowProfile
    from nemo_runspec.execution.profiles.kubernetes import KubeRayProfile as KubeRayProfile
    from nemo_runspec.execution.profiles.local import DockerProfile as DockerProfile
    from nemo_runspec.execution.profiles.local import LocalProfile as LocalProfile
    from nemo_runspec.execution.profiles.model import ExecutorName as ExecutorName
    from nemo_runspec.execution.profiles.model import Profile as Profile
    from nemo_runspec.execution.profiles.reading import load_profile as load_profile
    from nemo_runspec.execution.profiles.reading import read_profile as read_profile
    from nemo_runspec.execution.profiles.slurm import SlurmProfile as SlurmProfile

EXPORTS = {
    "DgxCloudProfile": "nemo_runspec.execution.profiles.clouds:DgxCloudProfile",
    "DockerProfile": "nemo_runspec.execution.profiles.local:DockerProfile",
    "ExecutorName": "nemo_runspec.execution.profiles.model:ExecutorName",
    "KubeRayProfile": "nemo_runspec.execution.profiles.kubernetes:KubeRayProfile",
    "KubeflowProfile": "nemo_runspec.execution.profiles.kubernetes:KubeflowProfile",
    "LeptonProfile": "nemo_runspec.execution.profiles.clouds:LeptonProfile",
    "LocalProfile": "nemo_runspec.execution.profiles.local:LocalProfile",
    "Profile": "nemo_runspec.execution.profiles.model:Profile",
    "SkypilotProfile": "nemo_runspec.execution.profiles.clouds:SkypilotProfile",
    "SlurmProfile": "nemo_runspec.execution.profiles.slurm:SlurmProfile",
    "load_profile": "nemo_runspec.execution.profiles.reading:load_profile",
    "read_profile": "nemo_runspec.execution.profiles.reading:read_profile",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
