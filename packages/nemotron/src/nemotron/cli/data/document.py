"""The document that an inspection gives, as far as it is drawn."""

from __future__ import annotations

from typing import Any, TypedDict


class PieceDocument(TypedDict):
    """Tokens in a row that are treated alike."""

    text: str
    tokens: int
    trained: bool | None
    left_out: bool


class RecordDocument(TypedDict):
    """One training sequence, document or prompt."""

    title: str
    file: str
    pieces: list[PieceDocument]
    tokens: int | None
    trained_tokens: int | None
    fields: dict[str, Any]


class BinDocument(TypedDict):
    """A bar of the histogram of lengths."""

    low: int
    high: int
    count: int


class FillDocument(TypedDict):
    """How full packs are."""

    pack_size: int
    mean: float
    median: float
    least: float


class InspectionDocument(TypedDict):
    """All of it."""

    kind: str
    split: str | None
    files: list[str]
    tokenizer: str | None
    counts: dict[str, int]
    lengths: list[BinDocument]
    length_unit: str
    fill: FillDocument | None
    records: list[RecordDocument]
    notes: list[str]
