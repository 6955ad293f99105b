"""The records of one file on their way in: read, counted, and turned away where unusable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nemotron_data_prep.accounting import Gate, Ledger
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.sources.files import SourceFile
from nemotron_data_prep.sources.records import Batch, Slice, describe_place, read_batches


@dataclass(frozen=True, slots=True)
class Intake:
    """Reads slices of one file and keeps its ledger.

    Attributes:
        file: The file.
        dataset: Its dataset.
        ledger: Counts what is read and what is turned away.
        gate: Decides between stopping and counting.
    """

    file: SourceFile
    dataset: Dataset
    ledger: Ledger
    gate: Gate

    def records(
        self, part: Slice, columns: Sequence[str] | None
    ) -> Iterator[tuple[dict[str, Any], int]]:
        """Read a slice.

        Args:
            part: A slice of the file.
            columns: Parquet columns to read; None reads all.

        Yields:
            Each readable record with its position.

        Raises:
            DataError: A record is unreadable and the configuration says to stop.
        """
        for batch in self.batches(part, columns):
            yield from zip(batch.values, batch.positions, strict=True)

    def batches(self, part: Slice, columns: Sequence[str] | None) -> Iterator[Batch]:
        """Read a slice; see :meth:`records`.

        Yields:
            Readable records; the others are counted, and turned away.
        """
        batches = read_batches(
            self.file,
            part,
            text_field=self.dataset.text_field,
            sample_by=self.dataset.sample_by,
            columns=columns,
        )
        for batch in batches:
            self.ledger.records_in += len(batch.values) + len(batch.invalid)
            for bad in batch.invalid:
                self.reject(bad.reason, bad.detail, bad.position)
            yield batch

    def reject(self, reason: str, detail: str, position: int) -> None:
        """Turn a record away.

        Args:
            reason: A key of :data:`nemotron_data_prep.accounting.REASONS`.
            detail: What exactly is wrong; may be empty.
            position: Where the record stands.

        Raises:
            DataError: The configuration says to stop.
        """
        self.gate.reject(self.ledger, reason, detail, lambda: describe_place(self.file, position))


def intakes(
    slices: Sequence[Slice], files: Sequence[SourceFile], dataset: Dataset, gate: Gate
) -> dict[int, Intake]:
    """One intake per file that the slices belong to, by the file's index."""
    return {part.file: Intake(files[part.file], dataset, Ledger(), gate) for part in slices}


def receipt_entries(sources: dict[int, Intake], gate: Gate) -> dict[str, Any]:
    """What every shard's receipt says about its records."""
    ledgers = {str(index): source.ledger.as_json() for index, source in sources.items()}
    return {"ledgers": ledgers, "examples": gate.examples}
