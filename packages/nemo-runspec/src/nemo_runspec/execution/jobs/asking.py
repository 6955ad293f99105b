"""Ask about several jobs; those of one cluster at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from nemo_runspec.errors import NemotronError
from nemo_runspec.execution.jobs.backends import Backends
from nemo_runspec.execution.jobs.ended import ask_once, keep_if_ended, kept_end
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.jobs.status import JobStatus

Answer: TypeAlias = "JobStatus | NemotronError"


@runtime_checkable
class AsksTogether(Protocol):
    """A backend that asks about several jobs in one question."""

    def statuses(self, records: Sequence[JobRecord]) -> list[JobStatus]:
        """Find out where jobs stand, in their order."""
        ...


def ask_all(records: Sequence[JobRecord], backends: Backends) -> list[Answer]:
    """Find out where jobs stand; those that are known to have ended are not asked about again.

    Args:
        records: The jobs.
        backends: Who knows about them.

    Returns:
        For each, in their order, where it stands, or why that is not known now.
    """
    answers = dict(enumerate(map(_kept, records)))
    together: dict[int, list[int]] = {}
    for number, record in enumerate(records):
        if answers[number] is not None:
            continue
        backend = backends.of(record)
        if isinstance(backend, AsksTogether):
            together.setdefault(id(backend), []).append(number)
        else:
            answers[number] = _ask(record, backends)
    for numbers in together.values():
        asked = [records[number] for number in numbers]
        answers |= zip(numbers, _ask_together(asked, backends), strict=True)
    return [answer for answer in answers.values() if answer is not None]


def _kept(record: JobRecord) -> Answer | None:
    try:
        return kept_end(record)
    except NemotronError as error:
        return error


def _ask(record: JobRecord, backends: Backends) -> Answer:
    try:
        return ask_once(record, backends.of(record))
    except NemotronError as error:
        return error


def _ask_together(records: Sequence[JobRecord], backends: Backends) -> Sequence[Answer]:
    backend = backends.of(records[0])
    assert isinstance(backend, AsksTogether)  # noqa: S101 - they were chosen by it
    try:
        found = backend.statuses(records)
        for record, status in zip(records, found, strict=True):
            keep_if_ended(record, status)
    except NemotronError as error:
        return [error] * len(records)
    return found
