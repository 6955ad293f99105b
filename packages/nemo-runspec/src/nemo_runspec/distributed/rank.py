"""This process's place in a distributed job."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from nemo_runspec.errors import CoordinationError

_SCHEDULED_VARIABLES = ("RANK", "SLURM_JOB_ID", "NEMO_RUN_DIR", "KUBERNETES_SERVICE_HOST")


@dataclass(frozen=True)
class Rank:
    """This process's place in a distributed job.

    Attributes:
        rank: From 0.
        world_size: How many processes the job has.
    """

    rank: int = 0
    world_size: int = 1

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Rank:
        """Read it from torchrun's variables, else from Slurm's.

        Args:
            environ: The environment to read; by default the process's own.

        Raises:
            CoordinationError: A variable is no number.
        """
        variables = os.environ if environ is None else environ
        for rank_key, size_key in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
            if variables.get(rank_key) and variables.get(size_key):
                return cls(_number(variables, rank_key), _number(variables, size_key))
        return cls()


def in_scheduled_job(environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether this process was started by a scheduler or launcher."""
    variables = os.environ if environ is None else environ
    return any(variables.get(key) for key in _SCHEDULED_VARIABLES)


def _number(environ: Mapping[str, str], key: str) -> int:
    try:
        return int(environ[key])
    except ValueError:
        raise CoordinationError(f"{key} is {environ[key]!r}, which is no number.") from None
