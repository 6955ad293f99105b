"""Hugging Face model folders: ``config.json`` and whole weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from nemo_runspec.errors import ArtifactError
from nemo_runspec.importing.found import FoundCheckpoint
from nemo_runspec.importing.places import is_below, read_json, unreadable

_CONFIG = "config.json"
_TRAINER_STATE = "trainer_state.json"
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_SHARD = re.compile(r".+-\d{5}-of-\d{5}\.(safetensors|bin)")
_STEP_IN_NAME = re.compile(r"(?:checkpoint|global_step|step)[-_](\d+)")
_LENGTH_BYTES = 8
_LARGEST_HEADER_BYTES = 100_000_000


def find_hf_model(place: Path) -> FoundCheckpoint | None:
    """Look at a folder as a Hugging Face model.

    Args:
        place: The folder.

    Returns:
        The model; None where there is no ``config.json``.

    Raises:
        ArtifactError: A file is missing, damaged or cut off.
    """
    if not (place / _CONFIG).exists():
        return None
    read_json(place / _CONFIG)
    for file in _weight_files(place):
        if file.suffix == ".safetensors":
            _check_safetensors(file)
        elif not file.stat().st_size:
            raise _cut_off(file)
    step, told_by = _step(place)
    return FoundCheckpoint(place, place, "transformers", "hf", step, told_by)


def _weight_files(place: Path) -> list[Path]:
    index = next((place / name for name in _INDEXES if (place / name).exists()), None)
    if index is not None:
        return _indexed_files(index)
    files = sorted(file for pattern in _WEIGHTS for file in place.glob(pattern) if file.is_file())
    if not files:
        raise ArtifactError(
            "The model has a config.json and no weights.",
            where=str(place),
            hint="It needs *.safetensors or pytorch_model*.bin.",
        )
    for file in files:
        if _SHARD.fullmatch(file.name):
            raise ArtifactError(
                "The weights are in parts, and the index that names all parts is missing.",
                where=str(file),
                hint=f"Put {_INDEXES[0]} there.",
            )
    return files


def _indexed_files(index: Path) -> list[Path]:
    weights = read_json(index).get("weight_map")
    if not isinstance(weights, dict) or not weights:
        raise ArtifactError("The index names no weights.", where=f"{index}: weight_map")
    names = sorted({str(name) for name in weights.values()})
    outside = [name for name in names if not is_below(index.parent / name, index.parent)]
    if outside:
        raise ArtifactError(
            f"The index names {outside[0]}, which lies outside of the folder.",
            where=f"{index}: weight_map",
        )
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise ArtifactError(
            f"The index names {missing[0]}, which is missing ({len(missing)} of {len(names)} "
            "files are).",
            where=str(index.parent / missing[0]),
            hint="Download or copy the model again.",
        )
    return [index.parent / name for name in names]


def _check_safetensors(file: Path) -> None:
    """Compare the file's size with what its header says; no weight is read."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            header_bytes = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
            if header_bytes > min(size - _LENGTH_BYTES, _LARGEST_HEADER_BYTES):
                raise _cut_off(file)
            header = json.loads(stream.read(header_bytes))
    except OSError as error:
        raise unreadable(file, error) from error
    except (ValueError, RecursionError) as error:
        raise _cut_off(file) from error
    weights_bytes = _weights_bytes(header)
    if weights_bytes is None or size != _LENGTH_BYTES + header_bytes + weights_bytes:
        raise _cut_off(file)


def _weights_bytes(header: Any) -> int | None:
    """What a header says that follows it; None where it is no header."""
    entries = header if isinstance(header, dict) else {"": None}
    ends = [_end(entry) for name, entry in entries.items() if name != "__metadata__"]
    return None if None in ends else max((end for end in ends if end is not None), default=0)


def _end(entry: Any) -> int | None:
    match entry:
        case {"data_offsets": [int(), int(end)]}:
            return end
        case _:
            return None


def _cut_off(file: Path) -> ArtifactError:
    return ArtifactError(
        "The file is cut off, or holds no weights (a Git LFS pointer, perhaps).",
        where=str(file),
        hint="Download or copy it again.",
    )


def _step(place: Path) -> tuple[int | None, str]:
    state = place / _TRAINER_STATE
    if state.exists():
        step = read_json(state).get("global_step")
        if isinstance(step, int) and not isinstance(step, bool) and step >= 0:
            return step, f"{_TRAINER_STATE}'s global_step"
    named = _STEP_IN_NAME.fullmatch(place.name)
    return (int(named.group(1)), f"the folder's name {place.name}") if named else (None, "")
