"""Read which settings NeMo-RL's own configurations have, and compare them with the snapshot.

    python tools/check_settings.py REPOSITORY [--revision REV] [--write NAME]

``REPOSITORY`` is a git repository of NeMo-RL, bare ones too. The configurations are those that the
recipes of reinforcement learning are laid above, with all that they inherit from. Kept are their
keys, those of the servers of NeMo-Gym apart, and the few values that the recipes repeat. Snapshots
are in ``tests/contracts/nemo-rl-settings``. The exit status is 1 where something differs.
"""

# ruff: noqa: INP001 - a script

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemotron_kit_nemorl import load_config

SNAPSHOTS = Path(__file__).parents[1] / "tests" / "contracts" / "nemo-rl-settings"
FOLDER = "examples/nemo_gym"
FILES = ("grpo_nanov3.yaml", "nemotron-3-super")
SERVERS = ("env", "nemo_gym")
# Numbers that the recipes repeat, and the reports on the models have.
REPEATED = (
    "cluster.num_nodes",
    "env.nemo_gym.num_gpu_nodes",
    "grpo.num_generations_per_prompt",
    "grpo.num_prompts_per_step",
    "grpo.overlong_filtering",
    "loss_fn.reference_policy_kl_penalty",
    "policy.max_total_sequence_length",
    "policy.train_global_batch_size",
)


def git(repository: Path, *words: str) -> bytes:
    """What git says."""
    command = ["git", "-C", str(repository), *words]
    return subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603


def snapshot(repository: Path, revision: str) -> dict[str, Any]:
    """The settings of each configuration, by its path."""
    commit, date = git(repository, "log", "-1", "--format=%H %cs", revision).decode().split()
    with tempfile.TemporaryDirectory() as temporary:
        archive = Path(temporary, "examples.tar")
        archive.write_bytes(git(repository, "archive", revision, FOLDER))
        subprocess.run(["tar", "-xf", archive, "-C", temporary], check=True)  # noqa: S603, S607
        root = Path(temporary, FOLDER)
        files = [file for name in FILES for file in yaml_files(root / name)]
        found = {f"{FOLDER}/{file.relative_to(root)}": load_config(file) for file in files}
    each = {name: set(keys(config)) for name, config in found.items()}
    common = set.intersection(*each.values())
    return {
        "framework": "nemo-rl",
        "commit": commit,
        "date": date,
        "in_all": sorted(common),
        "files": {
            name: {"more": sorted(each[name] - common), "values": values(config)}
            for name, config in found.items()
        },
    }


def yaml_files(place: Path) -> list[Path]:
    """A file, or all of a folder."""
    return [place] if place.is_file() else sorted(place.rglob("*.yaml"))


def keys(config: DictConfig, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The full keys of a configuration, sections too."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    for key in plain:
        place = (*path, str(key))
        yield ".".join(place)
        section = plain[key]
        if isinstance(section, dict) and place[:2] != SERVERS:
            yield from keys(OmegaConf.create(section), place)
        elif isinstance(section, dict):
            yield from (f"{'.'.join(place)}.{name}" for name in section)


def values(config: DictConfig) -> dict[str, Any]:
    """The numbers that are repeated."""
    found = {key: OmegaConf.select(config, key) for key in REPEATED}
    return {key: value for key, value in found.items() if value is not None}


def differences(expected: Any, found: Any, where: str = "") -> Iterator[str]:
    """Each place where the source is another than the snapshot."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in sorted(expected.keys() | found.keys()):
            place = f"{where} {key}".strip()
            yield from differences(expected.get(key), found.get(key), place)
    elif isinstance(expected, list) and isinstance(found, list):
        yield from (f"{where}: {key} is new" for key in sorted(set(found) - set(expected)))
        yield from (f"{where}: {key} is gone" for key in sorted(set(expected) - set(found)))
    elif expected != found:
        yield f"{where}: the snapshot has {expected}, the source {found}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, or write a snapshot; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("repository", type=Path)
    parser.add_argument("--revision", default="HEAD", help="what to read; names the snapshot")
    parser.add_argument("--write", metavar="NAME", help="write a snapshot instead")
    given = parser.parse_args(arguments)
    found = snapshot(given.repository, given.revision)
    file = SNAPSHOTS / f"{given.write or given.revision}.json"
    if given.write:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        return 0
    lines = list(differences(json.loads(file.read_text("utf-8")), found))
    for line in lines:
        print(line)  # noqa: T201 - a script
    print(f"{len(lines)} differences from {file.name}.")  # noqa: T201 - a script
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
