"""``nemotron profiles show``: what a profile says, with all that it extends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.env_toml import EnvToml
from nemo_runspec.execution.profiles import load_profile
from nemo_runspec.redaction import may_be_shown, redact_values
from nemo_runspec.url_secrets import REDACTED
from nemotron.cli.app import App, output_mode
from nemotron.cli.panels import Panel, Row
from nemotron.cli.profiles.file import env_toml_of, is_for_others
from nemotron.cli.tables import table_rows
from nemotron.cli.values import show_value

_HEADS = ("Key", "Value", "From")


def run(app: App, values: Mapping[str, Any]) -> int:
    """Show the keys of a profile as they are written, each with the file and line."""
    env = env_toml_of(app)
    name = values["name"]
    profile = (
        None
        if name in env.profiles and is_for_others(env, name)
        else load_profile(name, Path(env.path))
    )
    executor = None if profile is None else profile.executor
    keys = _keys(env, name)
    mode = output_mode(values)
    if mode == "json":
        app.document({"name": name, "executor": executor, "keys": keys})
    elif mode == "quiet":
        app.write("".join(f"{key} = {_plain(item['value'])}\n" for key, item in keys.items()))
    else:
        title = f"Profile {name} ({executor or 'for others to extend'})"
        app.panel(Panel(title, _rows(keys), fill=False))
    return 0


def _keys(env: EnvToml, name: str) -> dict[str, dict[str, Any]]:
    """Name every key that is written, tables key by key; secrets are hidden."""
    settings: Mapping[str, Any] = redact_values(_without_variables(env.profile(name).settings))
    found: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        table = env.table_with(name, key)
        below = value if isinstance(value, Mapping) and value else {None: value}
        for part, item in below.items():
            path = (key,) if part is None else (key, str(part))
            place = _table_of(env, name, path) or table
            found[".".join(path)] = {"value": item, "where": env.where(place, *path)}
    return found


def _without_variables(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Hide the variables of the job that may be secrets, by their names."""
    table = settings.get("env_vars")
    if not isinstance(table, Mapping):
        return dict(settings)
    shown = {
        name: value if may_be_shown(name, value) else REDACTED for name, value in table.items()
    }
    return {**settings, "env_vars": shown}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table_of(env: EnvToml, name: str, path: tuple[str, ...]) -> str | None:
    for table in env.lineage(name):
        value: Any = env.profiles[table]
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            return table
    return None


def _rows(keys: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    lines = [[key, show_value(item["value"]), item["where"]] for key, item in keys.items()]
    return table_rows(_HEADS, lines) if lines else ["It says nothing; jobs run on this machine."]
