"""Draw an inspection: a summary, bars for lengths, and records with their masks in colour."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from nemo_runspec.amounts import show_count
from nemo_runspec.printable import printable
from nemotron.cli.data.document import (
    BinDocument,
    InspectionDocument,
    PieceDocument,
    RecordDocument,
)
from nemotron.cli.data.masked_text import Span, draw_spans, legend
from nemotron.cli.panels import ASCII_BOX, Panel, Row, Screen, draw_panel

_USUAL_WIDTH = 80
_LONGEST_BAR = 40
_LONGEST_FIELD = 300


def draw_inspection(title: str, found: InspectionDocument, screen: Screen) -> str:
    """Draw all of an inspection.

    Args:
        title: What was inspected.
        found: What was found.
        screen: What can be drawn.
    """
    name = title if found["split"] is None else f"{title}, split {found['split']}"
    parts = [draw_panel(Panel(name, _summary(found), gap=1, fill=False), screen)]
    if found["lengths"]:
        heading = f"Lengths of {_records_of(found)} in {found['length_unit']}"
        bars = _bars(found["lengths"], screen)
        parts.append(draw_panel(Panel(heading, bars, fill=False), screen))
    if any(
        piece["trained"] is not None for record in found["records"] for piece in record["pieces"]
    ):
        parts.append(legend(screen))
    for file, records in groupby(found["records"], key=lambda record: record["file"]):
        if len(found["files"]) > 1:
            parts.append(f"{screen.style(printable(file), '36')}\n")
        parts += [_draw_record(record, screen) for record in records]
    return "\n".join(parts)


def _summary(found: InspectionDocument) -> list[Row]:
    rows: list[Row] = [("Files:", _files(found["files"]))]
    if found["tokenizer"] is not None:
        rows.append(("Tokenizer:", found["tokenizer"]))
    rows += _counts(found["counts"])
    fill = found["fill"]
    if fill is not None:
        rest = f"(median {_percent(fill['median'])}, least {_percent(fill['least'])})"
        rows.append(("Fill:", f"{_percent(fill['mean'])} of {fill['pack_size']:,} tokens {rest}"))
    return rows + [("Note:", note) for note in found["notes"]]


def _counts(counts: Mapping[str, int]) -> Iterator[Row]:
    for name, count in counts.items():
        if name == "trained_tokens":
            share = _percent(count / max(counts["tokens"], 1))
            yield "Trained:", f"{count:,} ({share})"
        else:
            yield f"{name.capitalize()}:", f"{count:,}"


def _files(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"{show_count(len(files), 'file')}, first {files[0]}"


def _records_of(found: InspectionDocument) -> str:
    return {"packs": "sequences", "documents": "documents"}.get(found["kind"], "records")


def _bars(lengths: Sequence[BinDocument], screen: Screen) -> list[Row]:
    """One row per bin: its range, its count, and a bar."""
    most = max(each["count"] for each in lengths)
    ranges = [f"{each['low']:,} to {each['high']:,}" for each in lengths]
    counts = [f"{each['count']:,}" for each in lengths]
    widest, longest = max(map(len, ranges)), max(map(len, counts))
    room = (screen.width or _USUAL_WIDTH) - widest - longest - 10
    full = max(min(room, _LONGEST_BAR), 1)
    mark = "#" if screen.box is ASCII_BOX else "█"
    return [
        (text.rjust(widest), f"{count.rjust(longest)}  {mark * _bar(each['count'], most, full)}")
        for text, count, each in zip(ranges, counts, lengths, strict=True)
    ]


def _bar(count: int, most: int, full: int) -> int:
    """Length of a bar; whatever is there is seen."""
    return max(round(full * count / most), 1) if count else 0


def _draw_record(record: RecordDocument, screen: Screen) -> str:
    lines = [screen.style(printable(_heading(record)), "1")]
    unit = "characters" if record["tokens"] is None else "tokens"
    spans = [_span(piece, unit) for piece in record["pieces"]]
    lines += draw_spans(spans, screen)
    for key, value in record["fields"].items():
        lines += draw_spans([Span(f"{key}: {_short(value)}", None)], screen)
    return "\n".join(lines) + "\n"


def _heading(record: RecordDocument) -> str:
    if record["tokens"] is None:
        return record["title"]
    heading = f"{record['title']}: {show_count(record['tokens'], 'token')}"
    trained = record["trained_tokens"]
    return heading if trained is None else f"{heading}, {trained:,} trained"


def _span(piece: PieceDocument, unit: str) -> Span:
    if piece["left_out"]:
        return Span(f" [... {piece['tokens']:,} {unit} ...] ", piece["trained"])
    return Span(piece["text"], piece["trained"])


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_FIELD else f"{text[:_LONGEST_FIELD]} ..."


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
