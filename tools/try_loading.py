"""Read configurations with NeMo-RL's own loader and with ours, and compare.

    python tools/try_loading.py REPOSITORY [--revision REV]

``REPOSITORY`` is a git repository of NeMo-RL, bare ones too; it needs hydra-core, which that loader
imports. Two things are compared: every YAML file of the revision's examples and research, read by
both; and what the recipes of reinforcement learning write for a driver, which that loader must read
above the revision's own configuration, and resolve. The exit status is 1 where something differs.
"""

# ruff: noqa: INP001 - a script

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from check_contracts import say
from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts import (
    ModelArtifact,
    SplitJsonlDataArtifact,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.config import load_omegaconf_yaml
from nemotron_kit_nemorl import driver_settings, load_config

ROOT = Path(__file__).parents[1]
IN_CONTAINER = "/opt/nemo-rl"
FOLDERS = ("examples", "research", "nemo_rl")
Load = Callable[[str], DictConfig]


def main() -> int:
    """Compare, and count; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("repository", type=Path)
    parser.add_argument("--revision", default="HEAD", help="what to read")
    given = parser.parse_args()
    os.environ.setdefault("SIF_DIR", "/sif")
    with tempfile.TemporaryDirectory() as temporary:
        checkout = Path(temporary, "nemo-rl")
        unpack(given.repository.absolute(), given.revision, checkout)
        theirs = their_loader(checkout)
        os.chdir(temporary)
        own, differing = compare_files(checkout, theirs)
        written, refused = compare_recipes(checkout, Path(temporary), theirs)
    for line in [*differing, *refused]:
        say(line)
    say(f"{own} files of {given.revision} read, {len(differing)} differ.")
    say(f"{written} configurations of recipes written, {len(refused)} not read as they are.")
    return 1 if differing or refused else 0


def unpack(repository: Path, revision: str, checkout: Path) -> None:
    """Lay the files of a revision that are needed into a folder."""
    checkout.mkdir()
    git = ["git", "-C", str(repository)]
    listed = subprocess.run(  # noqa: S603
        [*git, "ls-tree", "--name-only", revision], capture_output=True, text=True, check=True
    )
    there = [name for name in FOLDERS if name in listed.stdout.split()]
    archive = checkout.with_suffix(".tar")
    subprocess.run([*git, "archive", f"--output={archive}", revision, *there], check=True)  # noqa: S603
    subprocess.run(["tar", "-xf", str(archive), "-C", str(checkout)], check=True)  # noqa: S603, S607


def their_loader(checkout: Path) -> Load:
    """NeMo-RL's ``load_config``, with nothing else of its package."""
    sys.path.insert(0, str(checkout / "nemo_rl" / "utils"))
    module: Any = importlib.import_module("config")
    load: Load = module.load_config
    return load


def compare_files(checkout: Path, theirs: Load) -> tuple[int, list[str]]:
    """Read every configuration with both; returns how many, and each that differs."""
    files = [file for name in FOLDERS[:2] for file in sorted((checkout / name).rglob("*.yaml"))]
    read, differing = 0, []
    for file in files:
        try:
            expected = OmegaConf.to_container(theirs(str(file)))
        except AssertionError:
            continue  # A list, which is no configuration.
        read += 1
        if OmegaConf.to_container(load_config(file)) != expected:
            differing.append(f"{file.relative_to(checkout)} differs.")
    return read, differing


def compare_recipes(checkout: Path, folder: Path, theirs: Load) -> tuple[int, list[str]]:
    """Write what each driver gets, and read it; returns how many, and what differs."""
    count, refused = 0, []
    for file in sorted(ROOT.glob("recipes/*/stage2_rl/**/config/*.yaml")):
        base = load_omegaconf_yaml(file).nemo_rl.base.replace(IN_CONTAINER, str(checkout))
        if not Path(base).is_file():
            continue
        count += 1
        settings = settings_of(file, folder)
        written = folder / "nemo_rl.yaml"
        written.write_text(yaml.safe_dump({"defaults": base, **settings}), "utf-8")
        read = theirs(str(written))
        plain: Any = OmegaConf.to_container(read, resolve=True)
        resolved = OmegaConf.create(plain)
        refused += [
            f"{file.relative_to(ROOT)}: {key} is not read."
            for key, value in leaves(settings)
            if OmegaConf.select(resolved, key) != value
        ]
    return count, refused


def settings_of(file: Path, folder: Path) -> dict[str, Any]:
    """What the driver of a configuration gets, on artifacts that stand in."""
    config = load_omegaconf_yaml(file)
    config.run.wandb = {"project": "project", "entity": "entity"}
    config.artifacts = {"manifest": {"root": str(folder / "store")}}
    with setup_artifact_tracking({"artifacts": config.artifacts}):
        data = SplitJsonlDataArtifact(path=folder, train_path="/r/train", val_path="/r/val")
        config.run.data = log_artifact(data, name="data").ref
        if config.run.model is not None:
            model = ModelArtifact(path=folder, step=1, format="hf")
            config.run.model = log_artifact(model, name="model").ref
    with setup_artifact_tracking(config):
        return driver_settings(config)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each value with its full key; what is computed when it is read is left out."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, str(key)))
    elif not (isinstance(value, str) and "${" in value):
        yield ".".join(path), value


if __name__ == "__main__":
    sys.exit(main())
