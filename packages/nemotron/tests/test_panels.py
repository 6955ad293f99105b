from __future__ import annotations

import io
import re

from hypothesis import given
from hypothesis import strategies as st

from nemotron.cli.panels import (
    ASCII_BOX,
    UNICODE_BOX,
    Panel,
    Screen,
    cell_width,
    draw_panel,
    draw_tree,
    screen_of,
    wrap,
)

PIPE = Screen(width=None, color=False, box=UNICODE_BOX)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class AsciiTerminal(Terminal):
    encoding = "ascii"


def test_a_panel_is_as_wide_as_its_longest_row() -> None:
    panel = Panel(
        "Step Complete (demo)", [("Cache:", "hit"), ("Manifest:", "/a/v1")], 1, fill=False
    )
    assert draw_panel(panel, PIPE) == (
        "╭─ Step Complete (demo) ─╮\n"
        "│ Cache:    hit          │\n"
        "│ Manifest: /a/v1        │\n"
        "╰────────────────────────╯\n"
    )


def test_a_pipe_never_breaks_a_path() -> None:
    path = "/lustre/" + "folder/" * 40
    assert path in draw_panel(Panel("Step", [("Manifest:", path)]), PIPE)


def test_a_narrow_terminal_wraps_at_spaces_below_the_label() -> None:
    screen = Screen(width=40, color=False, box=ASCII_BOX)
    drawn = draw_panel(Panel("Options", [("--root URL", "Where artifacts are recorded.")]), screen)
    assert drawn.splitlines() == [
        "+- Options ----------------------------+",
        "| --root URL  Where artifacts are      |",
        "|             recorded.                |",
        "+--------------------------------------+",
    ]


def test_a_tree_is_drawn_like_a_folder_listing() -> None:
    tree = {"configs": {"job": "/j", "train": "/t"}, "mode": "local"}
    assert draw_tree("Job Submission", tree, PIPE) == (
        "Job Submission\n├── configs\n│   ├── job:   /j\n│   └── train: /t\n└── mode: local\n"
    )


def test_what_a_terminal_would_obey_is_spelt_out() -> None:
    evil = "a\x1b[2Jb\x07\u202e\x9b1m"
    shown = r"a\x1b[2Jb\x07\u202e\x9b1m"
    drawn = draw_panel(Panel(evil, [evil, (evil, f"{evil}\n{evil}")], fill=False), PIPE)
    assert drawn.count(shown) == 5
    tree = draw_tree(evil, {evil: {evil: evil}}, PIPE)
    assert tree.count(shown) == 4
    for text in (drawn, tree, *wrap(evil, 40)):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_a_stream_without_unicode_gets_ascii_boxes() -> None:
    assert screen_of(AsciiTerminal(), {}).box is ASCII_BOX


def test_colour_is_for_terminals_that_want_it() -> None:
    assert screen_of(Terminal(), {"TERM": "xterm"}).color
    assert not screen_of(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}).color
    assert not screen_of(Terminal(), {"TERM": "dumb"}).color
    assert not screen_of(io.StringIO(), {"TERM": "xterm"}).color


def test_the_width_of_a_terminal_can_be_set() -> None:
    assert screen_of(Terminal(), {"COLUMNS": "72"}).width == 72
    assert screen_of(io.StringIO(), {"COLUMNS": "72"}).width is None


TEXT = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60)
ROWS = st.lists(st.one_of(TEXT, st.tuples(TEXT, TEXT)), max_size=5)


@given(TEXT, ROWS, st.integers(min_value=40, max_value=120), st.booleans())
def test_every_line_of_a_panel_ends_at_the_same_column(
    title: str,
    rows: list[str | tuple[str, str]],
    width: int,
    fill: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    screen = Screen(width=width, color=False, box=UNICODE_BOX)
    lines = draw_panel(Panel(title, rows, fill=fill), screen).splitlines()
    widths = {cell_width(line) for line in lines}
    assert len(widths) == 1
    assert widths.pop() <= max(width, cell_width(title) + 6)
