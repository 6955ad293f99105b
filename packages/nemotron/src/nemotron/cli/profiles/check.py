"""``nemotron profiles check``: what would keep a profile's jobs from running."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nemo_runspec.amounts import show_count
from nemo_runspec.execution.checking import Check, check_profile
from nemo_runspec.execution.profiles import load_profile
from nemotron.cli.app import App, output_mode
from nemotron.cli.panels import Panel, Row
from nemotron.cli.profiles.file import env_toml_of

_WORDS = {"ok": "", "warning": "warning: ", "failed": "FAILED: ", "unknown": "not known: "}


def run(app: App, values: Mapping[str, Any]) -> int:
    """Look at what a profile's jobs need; end with 1 where something keeps them away."""
    profile = load_profile(values["name"], Path(env_toml_of(app).path))
    with app.waiting(f"Looking at what jobs of {profile.name} need"):
        checks = list(check_profile(profile))
    wrong = [check for check in checks if check.state == "failed"]
    mode = output_mode(values)
    if mode == "json":
        app.document(
            {
                "profile": profile.name,
                "executor": profile.executor,
                "ready": not wrong,
                "checks": [asdict(check) for check in checks],
            }
        )
    elif mode == "quiet":
        app.write("".join(f"{check.name}: {check.says}\n" for check in wrong))
    else:
        app.panel(Panel(f"Profile {profile.name} ({profile.executor})", _rows(checks), fill=False))
    return 1 if wrong else 0


def _rows(checks: Sequence[Check]) -> list[Row]:
    rows: list[Row] = []
    for check in checks:
        rows.append((f"{check.name}:", f"{_WORDS[check.state]}{check.says}"))
        if check.cure is not None:
            rows.append(("", f"Cure: {check.cure}"))
    count = sum(check.state == "failed" for check in checks)
    rows.append(("Result:", f"{show_count(count, 'fault')}." if count else "Ready."))
    return rows
