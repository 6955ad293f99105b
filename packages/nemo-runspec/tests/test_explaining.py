"""What other programs print is told apart by patterns, line by line."""

from __future__ import annotations

import re

import pytest

from nemo_runspec.explaining import KnownFailure, last_line, line_of, recognize

FULL = KnownFailure(re.compile(r"No space left"), "The disk is full.", "Free some space.")
REFUSED = KnownFailure(re.compile(r"denied|No space"), "It is refused: {line}.", "Ask for it.")
PRINTED = "cp: copying\ncp: x: No space left on device.\r\ncp: done\n"


def test_the_first_failure_that_is_listed_counts():
    assert recognize((FULL, REFUSED), f"denied\n{PRINTED}")[0] is FULL
    assert recognize((REFUSED, FULL), f"{PRINTED}denied\n")[0] is REFUSED


def test_what_is_not_understood_is_not_recognized():
    assert recognize((FULL, REFUSED), "Segmentation fault") is None


@pytest.mark.parametrize("printed", [PRINTED, PRINTED.strip(), PRINTED.replace("\n", "\n\n")])
def test_the_whole_line_is_told_without_its_full_stop(printed):
    _, match = recognize((FULL,), printed)
    assert line_of(match) == "cp: x: No space left on device"


@pytest.mark.parametrize(
    ("printed", "expected"),
    [("one.\n two. \n\n", "two"), ("one", "one"), (" \n\n", None), ("", None)],
)
def test_the_last_line_is_the_last_one_with_something_in_it(printed, expected):
    assert last_line(printed) == expected
