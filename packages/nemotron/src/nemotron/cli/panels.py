"""A light renderer for panels and trees: box drawing, word wrap, no dependency.

Text is measured in terminal cells; what a terminal would obey is spelt out. Colour and line width
come from a :class:`Screen`, so the same panel can be drawn for a terminal, a pipe or a terminal
without Unicode.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, NamedTuple, TypeAlias

from nemo_runspec.printable import printable

Row: TypeAlias = "str | tuple[str, str]"
Tree: TypeAlias = "Mapping[str, Tree | str]"

_MIN_WIDTH = 40
_MAX_WIDTH = 120
_USUAL_WIDTH = 80
_MAX_LABEL = 34
_UNBROKEN_FILL = 76
_WIDE = ("W", "F")


class Box(NamedTuple):
    """The characters that a panel and a tree are drawn with."""

    top_left: str
    top_right: str
    bottom_left: str
    bottom_right: str
    horizontal: str
    vertical: str
    branch: str
    last_branch: str
    trunk: str


UNICODE_BOX = Box("╭", "╮", "╰", "╯", "─", "│", "├── ", "└── ", "│   ")
ASCII_BOX = Box("+", "+", "+", "+", "-", "|", "|-- ", "`-- ", "|   ")


class Screen(NamedTuple):
    """What can be drawn on a stream.

    Attributes:
        width: Cells per line; None where lines need not be broken (a pipe or a file).
        color: Whether ANSI colours are understood and wanted.
        box: The line-drawing characters.
    """

    width: int | None
    color: bool
    box: Box

    def style(self, text: str, code: str) -> str:
        """Wrap text in an ANSI style such as ``"1"`` (bold), where colour is wanted."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text


class Panel(NamedTuple):
    """A titled box of rows.

    Attributes:
        title: Stands in the upper edge.
        rows: Lines of text, or pairs of a label and its text.
        gap: Cells between the labels and their texts.
        fill: Whether the box takes the whole width of the screen, rather than what it needs.
    """

    title: str
    rows: Sequence[Row]
    gap: int = 2
    fill: bool = True


def screen_of(stream: IO[str], environ: Mapping[str, str] | None = None) -> Screen:
    """Find out what a stream can show.

    Args:
        stream: Standard output or error, a file or a buffer.
        environ: Where ``NO_COLOR``, ``TERM`` and ``COLUMNS`` are read; by default the process's.
    """
    variables = os.environ if environ is None else environ
    box = UNICODE_BOX if _can_encode(stream, "╭─│├└✓") else ASCII_BOX
    if not stream.isatty():
        return Screen(width=None, color=False, box=box)
    dumb = variables.get("TERM") == "dumb"
    return Screen(
        width=max(_MIN_WIDTH, min(_columns(stream, variables), _MAX_WIDTH)),
        color=not dumb and not variables.get("NO_COLOR"),
        box=box,
    )


def draw_panel(panel: Panel, screen: Screen) -> str:
    """Draw one panel, as text that ends with a line break."""
    panel = panel._replace(title=printable(panel.title), rows=[_shown(row) for row in panel.rows])
    limit = None if screen.width is None else screen.width - 4
    lines = list(_lay_out(panel, limit))
    needed = max([cell_width(panel.title) + 2, *(cell_width(line) for line, _ in lines)])
    filled = max(needed, limit or _UNBROKEN_FILL)
    inner = filled if panel.fill else needed
    return "\n".join(_boxed(panel.title, lines, inner, screen)) + "\n"


def draw_tree(title: str, tree: Tree, screen: Screen) -> str:
    """Draw nested labels and values, as of a folder listing."""
    lines = [screen.style(printable(title), "1"), *_branches(tree, screen.box, prefix="")]
    return "\n".join(lines) + "\n"


def cell_width(text: str) -> int:
    """Count the terminal cells that a line takes."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def _boxed(
    title: str, lines: Iterable[tuple[str, int]], inner: int, screen: Screen
) -> Iterator[str]:
    box = screen.box
    heading = screen.style(title, "1")
    rule = box.horizontal * (inner - cell_width(title) - 1)
    yield f"{box.top_left}{box.horizontal} {heading} {rule}{box.top_right}"
    for line, label_cells in lines:
        padding = " " * (inner - cell_width(line))
        styled = screen.style(line[:label_cells], "36") + line[label_cells:]
        yield f"{box.vertical} {styled}{padding} {box.vertical}"
    yield f"{box.bottom_left}{box.horizontal * (inner + 2)}{box.bottom_right}"


def _lay_out(panel: Panel, limit: int | None) -> Iterator[tuple[str, int]]:
    """Break rows into lines, each with the number of leading characters that are a label."""
    labels = [cell_width(row[0]) for row in panel.rows if isinstance(row, tuple)]
    widest = _MAX_LABEL if limit is None else min(_MAX_LABEL, limit // 2)
    # A label that does not fit gets a line of its own, and does not push the others' texts away.
    fitting = [label for label in labels if label <= widest]
    column = max(fitting, default=widest if labels else 0) + panel.gap
    for row in panel.rows:
        if isinstance(row, str):
            yield from ((line, 0) for line in wrap(row, limit))
        else:
            yield from _labelled(row[0], row[1], column, limit)


def _shown(row: Row) -> Row:
    if isinstance(row, str):
        return printable(row, keep="\n")
    label, text = row
    return printable(label), printable(text, keep="\n")


def _labelled(label: str, text: str, column: int, limit: int | None) -> Iterator[tuple[str, int]]:
    indent = " " * column
    lines = wrap(text, None if limit is None else limit - column)
    if cell_width(label) < column:
        first = label + " " * (column - cell_width(label)) + lines.pop(0)
        yield first.rstrip(), len(label)
    else:
        yield from ((line, len(line)) for line in wrap(label, limit))
    yield from ((indent + line, 0) for line in lines if line)


def wrap(text: str, limit: int | None) -> list[str]:
    """Break text at spaces, and words longer than a line anywhere; at least one line.

    Args:
        text: The text; its own line breaks are kept, and other control characters spelt out.
        limit: Cells per line; None leaves lines as they are.
    """
    lines: list[str] = []
    for line in printable(text, keep="\n").splitlines() or [""]:
        lines.extend([line] if limit is None else _wrap_line(line, max(limit, 8)))
    return lines


def _wrap_line(line: str, limit: int) -> list[str]:
    if cell_width(line) <= limit:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    lines: list[str] = []
    current = ""
    # With the spaces before each word, so that columns stay aligned up to where the line breaks.
    for spaces, word in re.findall(r"(\s*)(\S+)", line):
        joined = f"{current}{spaces}{word}"
        if cell_width(joined) <= limit:
            current = joined
            continue
        if current:
            lines.append(current)
        *whole, current = _chop(indent + word, limit)
        lines.extend(whole)
    return [*lines, current]


def _chop(word: str, limit: int) -> list[str]:
    parts = [""]
    for character in word:
        if cell_width(parts[-1] + character) > limit:
            parts.append("")
        parts[-1] += character
    return parts


def _branches(tree: Tree, box: Box, prefix: str) -> Iterator[str]:
    tree = {printable(key): value for key, value in tree.items()}
    leaves = [cell_width(key) for key, value in tree.items() if isinstance(value, str)]
    column = max(leaves, default=0) + 1
    last = len(tree) - 1
    for index, (key, value) in enumerate(tree.items()):
        branch = box.last_branch if index == last else box.branch
        if isinstance(value, str):
            yield f"{prefix}{branch}{_leaf(key, value, column)}"
        else:
            yield f"{prefix}{branch}{key}"
            yield from _branches(value, box, prefix + ("    " if index == last else box.trunk))


def _leaf(key: str, value: str, column: int) -> str:
    if not value:
        return key
    return f"{key}:{' ' * (column - cell_width(key))}{printable(value)}"


def _columns(stream: IO[str], variables: Mapping[str, str]) -> int:
    wanted = variables.get("COLUMNS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except OSError:
        return _USUAL_WIDTH


def _can_encode(stream: IO[str], text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
