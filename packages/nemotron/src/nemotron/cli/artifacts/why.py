"""``nemotron artifacts why``: where the histories of two versions first differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_runspec.json_values import json_value
from nemo_runspec.lineage import Comparison, Difference, compare_histories
from nemo_runspec.printable import printable
from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.store import Store
from nemotron.cli.panels import Panel, Row
from nemotron.cli.values import show_value

_LABELS = {
    "recipe": "Recipe:",
    "data": "Data:",
    "tokenizer": "Tokenizer:",
    "config": "Config:",
    "code": "Code:",
    "software": "Software:",
    "image": "Image:",
}


def run(app: App, values: Mapping[str, Any]) -> int:
    """Compare the histories of two versions."""
    tracker = Store(app, values["root"]).tracker
    with app.waiting("Reading both histories"):
        found = compare_histories(tracker, values["reference"], values["other"])
    mode = output_mode(values)
    if mode == "json":
        app.document(json_value(found.to_dict()))
    elif mode == "quiet":
        lines = [f"{item.category} {item.key}" for item in found.differences]
        app.write("".join(f"{line}\n" for line in lines))
    else:
        app.panel(Panel(f"{found.left} and {found.right}", _rows(found), gap=1, fill=False))
    return 0


def _rows(found: Comparison) -> list[Row]:
    rows: list[Row] = [found.summary]
    rows += [(_LABELS[item.category], _difference(item, found)) for item in found.differences]
    return rows + [("Note:", note) for note in found.notes]


def _difference(item: Difference, found: Comparison) -> str:
    words = [f"{item.key}: {_value(item.left)} → {_value(item.right)}"]
    if item.at != (found.left, found.right):
        words.append(f"in the making of {item.at[0]} and {item.at[1]}")
    if item.remark is not None:
        words.append(f"({item.remark})")
    return printable("  ".join(words))


def _value(value: Any) -> str:
    # Grouping digits would change what a seed or a step looks like in the configuration.
    return (
        str(value) if isinstance(value, int) and not isinstance(value, bool) else show_value(value)
    )
