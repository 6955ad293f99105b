"""What the processes of one job know of each other: their ranks, a folder, one shared result."""

from __future__ import annotations

from nemo_runspec.distributed.exchange import once_per_job
from nemo_runspec.distributed.folders import job_folder
from nemo_runspec.distributed.rank import Rank, in_scheduled_job

__all__ = ["Rank", "in_scheduled_job", "job_folder", "once_per_job"]
