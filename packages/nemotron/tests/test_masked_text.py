from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nemotron.cli.data.masked_text import Span, draw_spans, legend
from nemotron.cli.panels import ASCII_BOX, UNICODE_BOX, Screen, cell_width

PIPE = Screen(width=None, color=False, box=UNICODE_BOX)
SPANS = [Span("Hi.\n", trained=False), Span("Yo", trained=True), Span("\n", trained=False)]


def test_colours_tell_trained_from_masked() -> None:
    screen = Screen(width=80, color=True, box=UNICODE_BOX)
    assert draw_spans(SPANS, screen) == [
        "\x1b[2m│\x1b[0m \x1b[2mHi.↵\x1b[0m",
        "\x1b[2m│\x1b[0m \x1b[1;32mYo\x1b[0m\x1b[2m↵\x1b[0m",
    ]
    assert legend(screen) == "\x1b[1;32mtrained\x1b[0m \x1b[2mmasked\x1b[0m\n"


def test_marks_do_so_where_there_are_no_colours() -> None:
    assert draw_spans(SPANS, PIPE) == ["│ Hi.↵", "│ ⟦Yo⟧↵"]
    assert legend(PIPE) == "⟦trained⟧ masked\n"


def test_an_ascii_stream_gets_ascii() -> None:
    screen = Screen(width=80, color=False, box=ASCII_BOX)
    drawn = draw_spans([*SPANS, Span("größer", trained=True)], screen)
    assert drawn == ["| Hi.\\n", "| [[Yo]]\\n", "| [[gr\\xf6\\xdfer]]"]


def test_what_a_terminal_would_act_on_is_spelt_out() -> None:
    spans = [Span("a\x1b[2Jb\tc\r\n\u202ed", None)]
    assert draw_spans(spans, PIPE) == ["│ a\\x1b[2Jb\\tc\\r↵", "│ \\u202ed"]


def test_neighbours_that_are_treated_alike_share_marks() -> None:
    spans = [Span("a", trained=True), Span(" [...] ", trained=True), Span("b", trained=True)]
    assert draw_spans(spans, PIPE) == ["│ ⟦a [...] b⟧"]


@given(st.lists(st.tuples(st.text(max_size=60), st.booleans()), max_size=6), st.integers(40, 120))
def test_no_line_is_wider_than_the_screen_and_nothing_is_lost(
    parts: list[tuple[str, bool]], width: int
) -> None:
    spans = [Span(text, trained) for text, trained in parts]
    whole = draw_spans(spans, PIPE)
    lines = draw_spans(spans, PIPE._replace(width=width))
    assert all(cell_width(line) <= width for line in lines)
    assert "".join(line[2:] for line in lines) == "".join(line[2:] for line in whole)
