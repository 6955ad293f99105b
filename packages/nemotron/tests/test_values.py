from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nemotron.cli.values import show_age, show_value

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "just now"),
        (0.4, "just now"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (3 * 3600 + 1, "3 hours ago"),
        (47 * 3600, "1 day ago"),
        (45 * 86_400, "1 month ago"),
        (800 * 86_400, "2 years ago"),
    ],
)
def test_an_age_has_one_unit(seconds: float, shown: str) -> None:
    assert show_age(NOW - timedelta(seconds=seconds), NOW) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"too_long": 1200, "invalid_json": 4}, "1,200 too long, 4 invalid json"),
        ({"train": 3, "note": "x"}, '{"train": 3, "note": "x"}'),
        ({"seen": True}, '{"seen": true}'),
        ({}, "none"),
        ({f"reason_{number}": number for number in range(40)}, "40 keys (see --json)"),
    ],
)
def test_counts_are_listed_in_words(value: dict[str, object], shown: str) -> None:
    assert show_value(value) == shown
