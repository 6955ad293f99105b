"""``nemotron profiles prune``: remove code that no job was sent with lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nemo_runspec.amounts import show_count
from nemo_runspec.errors import UsageError
from nemo_runspec.execution.profiles import SlurmProfile, load_profile
from nemo_runspec.execution.submission.packaging import TREES
from nemo_runspec.packaging.code import prune_trees
from nemotron.cli.app import App, output_mode
from nemotron.cli.profiles.file import env_toml_of


def run(app: App, values: Mapping[str, Any]) -> int:
    """Remove trees of code from a profile's machine."""
    profile = load_profile(values["name"], Path(env_toml_of(app).path))
    target = profile.ssh_target() if isinstance(profile, SlurmProfile) else None
    if target is None:
        raise UsageError(
            f"No code is kept for jobs of {profile.name}: each has its own.",
            hint="Name a profile of a Slurm cluster that is reached over ssh.",
        )
    code = replace(target, root=f"{target.root}/{TREES}")
    with app.waiting(f"Looking at the code on {target.host}"):
        removed = prune_trees(code, unused_days=values["unused_days"])
    mode = output_mode(values)
    if mode == "json":
        app.document({"profile": profile.name, "removed": list(removed)})
    elif mode == "quiet":
        app.write("".join(f"{digest}\n" for digest in removed))
    else:
        app.say(f"{show_count(len(removed), 'tree')} of code removed from {code}.")
    return 0
