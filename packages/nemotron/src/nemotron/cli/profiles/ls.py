"""``nemotron profiles ls``: the profiles of env.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.env_toml import EnvToml
from nemo_runspec.errors import NemotronError
from nemo_runspec.execution.profiles import Profile, SlurmProfile, load_profile
from nemotron.cli.app import App, output_mode
from nemotron.cli.panels import Panel, Row
from nemotron.cli.profiles.file import env_toml_of, is_for_others, parents_of
from nemotron.cli.tables import table_rows

_HEADS = ("Profile", "Executor", "Where", "Nodes", "GPUs", "Extends")


def run(app: App, values: Mapping[str, Any]) -> int:
    """List the profiles; one that cannot be used says why."""
    env = env_toml_of(app)
    documents = [_document(env, name) for name in env.profiles]
    mode = output_mode(values)
    if mode == "json":
        app.document(documents)
    elif mode == "quiet":
        app.write("".join(f"{name}\n" for name in env.profiles))
    else:
        app.panel(Panel(f"Profiles of {env.path}", _rows(documents), fill=False))
    return 0


def _document(env: EnvToml, name: str) -> dict[str, Any]:
    document: dict[str, Any] = {"name": name, "extends": parents_of(env, name)}
    try:
        if is_for_others(env, name):
            return document | dict.fromkeys(
                ("executor", "where", "nodes", "gpus_per_node", "problem")
            )
        profile = load_profile(name, Path(env.path))
    except NemotronError as error:
        return {**document, "problem": str(error)}
    return {
        **document,
        "executor": profile.executor,
        "where": _place(profile),
        "nodes": profile.nodes,
        "gpus_per_node": profile.gpus_per_node,
        "problem": None,
    }


def _place(profile: Profile) -> str:
    if isinstance(profile, SlurmProfile) and profile.over_ssh:
        return profile.host or "?"
    return "another machine" if profile.elsewhere else "this machine"


def _rows(documents: list[dict[str, Any]]) -> list[Row]:
    lines = [_line(each) for each in documents if each["problem"] is None]
    rows = table_rows(_HEADS, lines) if lines else []
    rows += [(each["name"], each["problem"]) for each in documents if each["problem"] is not None]
    return rows or ["It has none."]


def _line(document: Mapping[str, Any]) -> list[str]:
    if document["executor"] is None:
        return [document["name"], "(for others)", *[""] * 3, ", ".join(document["extends"])]
    gpus = document["gpus_per_node"]
    counts = [str(document["nodes"]), "all" if gpus < 0 else str(gpus)]
    extends = ", ".join(document["extends"])
    return [document["name"], document["executor"], document["where"], *counts, extends]
