"""Checkpoints that keep every step in a directory of its own: Megatron's and NeMo-RL's.

::

    save directory/                               checkpoint directory/
        latest_checkpointed_iteration.txt             step_100/
        iter_0000100/                                     policy/weights/…
            .metadata, *.distcp, run_config.yaml          training_info.json
"""

from __future__ import annotations

import re
from pathlib import Path

from nemo_runspec.errors import ArtifactError
from nemo_runspec.importing.found import FoundCheckpoint, require_files
from nemo_runspec.importing.places import read_small, unreadable
from nemo_runspec.model_formats import nemo_rl_format

TRACKER_FILE = "latest_checkpointed_iteration.txt"

_RELEASE = "release"
_ITERATION = re.compile(r"iter_([0-9]{7,18})")
_STEP = re.compile(r"step_([0-9]{1,18})")
_WRITTEN_ITERATION = re.compile(r"[0-9]{1,18}")
_LONGEST_SHOWN = 40
_UNFINISHED = re.compile(r"tmp_step_\d+")


def find_iteration(place: Path) -> FoundCheckpoint | None:
    """Look at a folder as Megatron's or NeMo-RL's.

    Args:
        place: The directory of one step, or the one that holds them all.

    Returns:
        The checkpoint; None where the folder has another layout.

    Raises:
        ArtifactError: The layout is known and something in it is missing or unfinished.
    """
    if _ITERATION.fullmatch(place.name) or _is_release(place):
        return _megatron(place, told_by=place.name, notes=_other_latest(place))
    if _UNFINISHED.fullmatch(place.name):
        raise ArtifactError(
            "This checkpoint was never finished: NeMo-RL renames tmp_step_N to step_N at the end.",
            where=str(place),
        )
    if _STEP.fullmatch(place.name) and (place / "policy").exists():
        return _nemo_rl(place, _later_steps(place))
    if (place / TRACKER_FILE).exists() or _steps(place, _ITERATION):
        return _megatron(place / _latest_iteration(place), told_by=TRACKER_FILE)
    steps = _steps(place, _STEP)
    return _nemo_rl(steps[max(steps)], ()) if steps else None


def _megatron(own: Path, *, told_by: str, notes: tuple[str, ...] = ()) -> FoundCheckpoint:
    require_files(own, "checkpoint directory")
    if any(own.glob("*.distcp")) and not (own / ".metadata").is_file():
        raise ArtifactError(
            "The checkpoint has no .metadata, which is written last: saving it was interrupted.",
            where=str(own),
            hint="Import an earlier step.",
        )
    named = _ITERATION.fullmatch(own.name)
    by_bridge = (own / "run_config.yaml").is_file()
    return FoundCheckpoint(
        own.parent,
        own,
        framework="megatron-bridge" if by_bridge else "megatron-lm",
        format="megatron",
        step=int(named.group(1)) if named else None,
        told_by=told_by,
        notes=notes,
    )


def _is_release(place: Path) -> bool:
    return place.name == _RELEASE and (place.parent / TRACKER_FILE).exists()


def _latest_iteration(save_dir: Path) -> str:
    file = save_dir / TRACKER_FILE
    try:
        text = read_small(file).decode(errors="replace").strip()
    except FileNotFoundError as error:
        found = ", ".join(f"iter_{step:07d}" for step in sorted(_steps(save_dir, _ITERATION)))
        raise ArtifactError(
            f"The save directory has {found} and no {TRACKER_FILE}, so loaders find no checkpoint.",
            where=str(save_dir),
            hint=f"Write the iteration's number into {TRACKER_FILE}.",
        ) from error
    except OSError as error:
        raise unreadable(file, error) from error
    if text == _RELEASE:
        return _RELEASE
    if not _WRITTEN_ITERATION.fullmatch(text):
        shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
        raise ArtifactError(f"It holds {shown!r}, which is no iteration.", where=str(file))
    return f"iter_{int(text):07d}"


def _other_latest(own: Path) -> tuple[str, ...]:
    """Say what loaders that are given the save directory would load instead."""
    if not (own.parent / TRACKER_FILE).exists():
        missing = f"{own.parent} has no {TRACKER_FILE}"
        return (f"{missing}: loaders that are given that directory find no checkpoint in it.",)
    latest = _latest_iteration(own.parent)
    return () if latest == own.name else (_loads_another(own, latest),)


def _nemo_rl(own: Path, notes: tuple[str, ...]) -> FoundCheckpoint:
    weights = own / "policy" / "weights"
    require_files(weights, "folder of weights")
    step = _STEP.fullmatch(own.name)
    return FoundCheckpoint(
        own.parent,
        own,
        framework="nemo-rl",
        format=nemo_rl_format(own) or "dcp",
        step=int(step.group(1)) if step else None,
        told_by=own.name,
        notes=notes,
    )


def _later_steps(own: Path) -> tuple[str, ...]:
    latest = _steps(own.parent, _STEP)
    last = latest[max(latest)]
    return () if last == own else (_loads_another(own, last.name),)


def _loads_another(own: Path, latest: str) -> str:
    return (
        f"Loaders that are given the save directory load {latest}; for {own.name} give them "
        "metadata 'absolute_path'."
    )


def _steps(folder: Path, name: re.Pattern[str]) -> dict[int, Path]:
    found = ((name.fullmatch(path.name), path) for path in folder.iterdir() if path.is_dir())
    return {int(match.group(1)): path for match, path in found if match}
