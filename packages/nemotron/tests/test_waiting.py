from __future__ import annotations

import io
import re
import time

import pytest

from nemotron.cli.waiting import waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_takes_long_is_told_and_the_line_goes() -> None:
    terminal = Terminal()
    with waiting(terminal, "Reading", patience_s=0):
        while not terminal.getvalue():
            time.sleep(0)
    # On a busy machine a second may go by, or two.
    shown = re.fullmatch(r"(?:\r(Reading \.\.\. \d+ s))+\r( +)\r", terminal.getvalue())
    assert shown is not None
    assert len(shown[1]) == len(shown[2])


def test_what_is_quick_or_goes_to_a_file_shows_nothing() -> None:
    for stream in (Terminal(), io.StringIO()):
        with waiting(stream, "Reading"):
            pass
        assert stream.getvalue() == ""


def test_the_line_goes_where_it_fails() -> None:
    terminal = Terminal()

    def fail() -> None:
        with waiting(terminal, "Reading", patience_s=0):
            while not terminal.getvalue():
                time.sleep(0)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert terminal.getvalue().endswith(" \r")
