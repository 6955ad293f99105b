from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# What an example takes says nothing on a busy machine; and each run tries the same ones.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

_FOREIGN = (
    "NEMOTRON_ARTIFACTS_ROOT",
    "NEMOTRON_ENV",
    "NEMOTRON_RECIPES",
    "NEMOTRON_RUN_DIR",
    "NEMO_RUN_DIR",
    "RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "SLURM_JOB_ID",
    "SLURM_PROCID",
    "SLURM_NTASKS",
    "TORCHELASTIC_RUN_ID",
    "KUBERNETES_SERVICE_HOST",
)


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Each test starts in an empty folder, in no job, with no tracking set up."""
    for variable in _FOREIGN:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    from nemo_runspec.artifacts.scope import CURRENT

    CURRENT.set(None)
    yield
    CURRENT.set(None)
