"""Counts and sizes are spelt as people write them."""

from __future__ import annotations

import pytest

from nemo_runspec.amounts import show_count, show_size


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1200, "1,200 files")]
)
def test_a_count_fits_its_noun(number: int, text: str) -> None:
    assert show_count(number, "file") == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1,023 bytes"),
        (1024, "1.0 KiB"),
        (3 << 19, "1.5 MiB"),
        (5 << 40, "5.0 TiB"),
        (5 << 50, "5120.0 TiB"),
    ],
)
def test_a_size_has_the_largest_unit_that_fits(size_bytes: int, text: str) -> None:
    assert show_size(size_bytes) == text
