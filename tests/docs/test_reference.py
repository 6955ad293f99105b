"""Tables of the reference name every setting, with the default that it has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path

from profile_tables import PROFILES, common_keys, section, table

from nemotron_data_prep import PretrainPrepConfig, RlPrepConfig, SftPrepConfig
from nemotron_data_prep.blend import Dataset

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "data-prep.md"


def rows(heading: str) -> Iterator[tuple[str, str]]:
    """The keys of the first table below a heading, and what stands behind each."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    table = section.partition("\n| key | default | meaning |\n")[2].partition("\n\n")[0]
    for line in table.splitlines()[1:]:
        keys, default = line.split(" | ")[:2]
        for key in re.findall(r"`(\w+)`", keys):
            yield key, default.strip("`")


def test_every_setting_of_data_preparation_is_in_the_table_with_its_default() -> None:
    known = {
        field.name: field
        for cls in (PretrainPrepConfig, SftPrepConfig, RlPrepConfig)
        for field in fields(cls)
    }
    documented = dict(rows("Configuration"))
    assert documented.keys() == known.keys()
    for name, default in documented.items():
        if known[name].default is MISSING:
            required = known[name].default_factory is MISSING
            assert default.startswith("required") == required, name
        elif known[name].default is not None:
            value = known[name].default
            assert default == (f"{value:g}" if isinstance(value, float) else str(value)), name


def test_every_key_of_a_dataset_is_in_the_table() -> None:
    assert {key for key, _ in rows("Blend file")} == {field.name for field in fields(Dataset)}


ENV_TOML = PAGE.with_name("env-toml.md")
_END = "<!-- end of the tables -->"


def tables_of_profiles() -> str:
    """What the page says of profiles, as the models have it."""
    common = f"## Every executor\n\n{table(common_keys().values())}\n"
    own = [f"## {name}\n\n{section(name)}\n" for name in PROFILES]
    return "\n".join([common, *own])


def test_every_key_of_every_executor_is_in_the_tables() -> None:
    page = ENV_TOML.read_text(encoding="utf-8")
    start, end = page.index("## Every executor\n"), page.index(_END)
    found = tables_of_profiles()
    if os.environ.get("NEMOTRON_WRITE_GOLDEN"):
        ENV_TOML.write_text(f"{page[:start]}{found}\n{page[end:]}", encoding="utf-8")
        return
    assert page[start:end].strip().splitlines() == found.strip().splitlines()
