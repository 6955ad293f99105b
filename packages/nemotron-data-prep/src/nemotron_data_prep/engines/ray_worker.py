"""One try at a shard, in a worker of a Ray cluster."""

from __future__ import annotations

import os
import pickle
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from nemo_runspec.errors import DataError, NemotronError
from nemotron_data_prep.engines.serving import share_cores
from nemotron_data_prep.engines.work import Attempt, Failed, Job, Outcome, carry_out, portable

_SAME_EVERYWHERE = (
    "gigatoken",
    "jinja2",
    "nemo-runspec",
    "nemotron-data-prep",
    "numpy",
    "orjson",
    "pyarrow",
    "tokenizers",
)


def versions() -> dict[str, str | None]:
    """The packages that output depends on, as installed here."""
    return {name: _version(name) for name in _SAME_EVERYWHERE}


def work(job: bytes, expected: dict[str, str | None], attempt: Attempt) -> Outcome:
    """Make a try.

    Args:
        job: The pickled job.
        expected: The packages of the machine that plans and assembles.
        attempt: The try.
    """
    different = _difference(expected)
    if different is not None:
        return Failed(attempt.shard.index, different, passing=False)
    outcome = portable(carry_out(_job(job), attempt))
    error = outcome.error if isinstance(outcome, Failed) else None
    if isinstance(error, NemotronError):
        error.hint = f"{error.hint or ''} (Machine: {_host()}.)".strip()
    return outcome


def _difference(expected: dict[str, str | None]) -> DataError | None:
    for name, wanted in expected.items():
        found = _version(name)
        if found != wanted:
            return DataError(
                f"The machines have different versions of {name}: {_host()} has {found}, the "
                f"one that runs the preparation {wanted}.",
                where="engine",
                hint="Install the same packages on all machines of the cluster.",
            )
    return None


@cache
def _job(content: bytes) -> Job:
    share_cores(len(os.sched_getaffinity(0)))
    job: Job = pickle.loads(content)  # noqa: S301 - written by the driver of this very run
    return job


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _host() -> str:
    return os.uname().nodename
