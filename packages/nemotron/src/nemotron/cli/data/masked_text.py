"""Text whose trained parts stand out: in another colour, or between marks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from nemo_runspec.printable import printable
from nemotron.cli.panels import ASCII_BOX, Screen, cell_width

_TRAINED, _MASKED = "1;32", "2"


class Span(NamedTuple):
    """A text that is treated alike.

    Attributes:
        text: The text.
        trained: Whether the loss sees it; None where there is no mask.
    """

    text: str
    trained: bool | None


def draw_spans(spans: Sequence[Span], screen: Screen) -> list[str]:
    """Draw spans as lines behind a rule.

    Line breaks of the text are shown as ``↵`` and kept; other characters that a terminal would
    act on are spelt out.

    Args:
        spans: The text.
        screen: What can be drawn; without colours trained text stands between marks.
    """
    rule = screen.style(screen.box.vertical, "2")
    limit = None if screen.width is None else screen.width - 2
    runs = [
        Span(_visible("".join(span.text for span in group), screen), trained)
        for trained, group in groupby(spans, key=lambda span: span.trained)
    ]
    return [
        f"{rule} " + "".join(_styled(span, screen) for span in line)
        for line in _lines([_marked(run, screen) for run in runs], limit)
    ]


def legend(screen: Screen) -> str:
    """Say how trained and masked text can be told apart."""
    spans = [Span("trained", trained=True), Span("masked", trained=False)]
    return " ".join(_styled(_marked(span, screen), screen) for span in spans) + "\n"


def _styled(span: Span, screen: Screen) -> str:
    if span.trained is None:
        return span.text
    return screen.style(span.text, _TRAINED if span.trained else _MASKED)


def _marked(span: Span, screen: Screen) -> Span:
    """Marks around trained text, where colours cannot tell it apart."""
    if screen.color or not span.trained:
        return span
    before, after = ("[[", "]]") if screen.box is ASCII_BOX else ("⟦", "⟧")
    return span._replace(text=f"{before}{span.text}{after}")


def _visible(text: str, screen: Screen) -> str:
    spelt = printable(text, keep="\n")
    if screen.box is ASCII_BOX:
        return spelt.replace("\n", "\\n\n").encode("ascii", "backslashreplace").decode()
    return spelt.replace("\n", "↵\n")


def _lines(runs: Iterable[Span], limit: int | None) -> Iterator[list[Span]]:
    """Break runs at line breaks and where a line is full."""
    line: list[Span] = []
    used = 0
    for run in runs:
        for part in run.text.splitlines(keepends=True):
            for chunk in _chunks(part.removesuffix("\n"), used, limit):
                if chunk.wraps:
                    yield line
                    line, used = [], 0
                line.append(run._replace(text=chunk.text))
                used += cell_width(chunk.text)
            if part.endswith("\n"):
                yield line
                line, used = [], 0
    if line:
        yield line


class _Chunk(NamedTuple):
    text: str
    wraps: bool


def _chunks(text: str, used: int, limit: int | None) -> Iterator[_Chunk]:
    """Cut a text where lines are full; every chunk but the first begins a line."""
    start, wraps = 0, False
    for at, character in enumerate(text):
        width = cell_width(character)
        if limit is not None and used + width > limit and used:
            if at > start or wraps:
                yield _Chunk(text[start:at], wraps)
            start, wraps, used = at, True, 0
        used += width
    if text:
        yield _Chunk(text[start:], wraps)
