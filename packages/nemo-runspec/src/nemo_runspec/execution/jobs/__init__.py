"""Jobs that run without the command that started them: their records, state, output and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.execution.jobs.record import JobRecord as JobRecord
    from nemo_runspec.execution.jobs.record import find_record as find_record
    from nemo_runspec.execution.jobs.record import list_records as list_records
    from nemo_runspec.execution.jobs.record import read_record as read_record
    from nemo_runspec.execution.jobs.record import write_record as write_record
    from nemo_runspec.execution.jobs.status import JobBackend as JobBackend
    from nemo_runspec.execution.jobs.status import JobState as JobState
    from nemo_runspec.execution.jobs.status import JobStatus as JobStatus
    from nemo_runspec.execution.jobs.status import OutputChunk as OutputChunk

EXPORTS = {
    "JobBackend": "nemo_runspec.execution.jobs.status:JobBackend",
    "JobRecord": "nemo_runspec.execution.jobs.record:JobRecord",
    "JobState": "nemo_runspec.execution.jobs.status:JobState",
    "JobStatus": "nemo_runspec.execution.jobs.status:JobStatus",
    "OutputChunk": "nemo_runspec.execution.jobs.status:OutputChunk",
    "find_record": "nemo_runspec.execution.jobs.record:find_record",
    "list_records": "nemo_runspec.execution.jobs.record:list_records",
    "read_record": "nemo_runspec.execution.jobs.record:read_record",
    "write_record": "nemo_runspec.execution.jobs.record:write_record",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
