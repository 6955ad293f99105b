"""Rows of aligned columns for panels."""

from __future__ import annotations

from collections.abc import Sequence

from nemo_runspec.printable import printable
from nemotron.cli.panels import Row, cell_width

_GAP = 2


def table_rows(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[Row]:
    """Align cells under their heads; columns that are empty in every line are left out.

    Args:
        heads: The heads of the columns. The first column becomes the labels of the panel.
        lines: As many cells each as there are heads.
    """
    # Before it is measured: what is drawn has the same cells.
    lines = [[printable(cell) for cell in line] for line in lines]
    used = [
        index for index in range(len(heads)) if index == 0 or any(line[index] for line in lines)
    ]
    table = [[line[index] for index in used] for line in (heads, *lines)]
    widths = [max(cell_width(line[column]) for line in table) for column in range(len(used))]
    return [(line[0], _aligned(line[1:], widths[1:])) for line in table]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    gap = " " * _GAP
    padded = (
        cell + " " * (width - cell_width(cell)) for cell, width in zip(cells, widths, strict=True)
    )
    return gap.join(padded).rstrip()
