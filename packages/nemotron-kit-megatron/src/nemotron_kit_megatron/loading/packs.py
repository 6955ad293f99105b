"""Packed conversations, for whichever dataset class the installed release has.

The class, its field of packing settings and the file formats were renamed between releases; what
is there decides. Packs cut to one length cannot be read at another: the length that the data says,
the packing settings, the dataset and the model must agree.
"""

from __future__ import annotations

import dataclasses
import glob
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_runspec.errors import ConfigError
from nemotron_kit_megatron.versions import described, has_module

_DATASETS = (
    "megatron.bridge.data.builders:GPTSFTDatasetConfig",
    "megatron.bridge.training.config:FinetuningDatasetConfig",
)
_SPECS = (
    "megatron.bridge.data.packing:PackedSequenceSpecs",
    "megatron.bridge.data.datasets.packed_sequence:PackedSequenceSpecs",
)
_READERS_OF_PARQUET = (
    "megatron.bridge.data.packing.parquet",
    "megatron.bridge.data.datasets.packed_parquet",
)
_FIELDS = ("offline_packing_specs", "packed_sequence_specs")
_SWITCH = "enable_offline_packing"
_PATHS = ("packed_train_data_path", "packed_val_data_path")
_PARQUET = (".parquet", ".pq")
_PATTERN = "*?["
_METADATA = "metadata.json"
_NAMED_SIZE = re.compile(r".*_(\d+)\.npy")
_LEVELS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedData:
    """Packed conversations, as a recipe's ``data.packed`` section names them.

    Attributes:
        root: The folder that holds everything.
        train: The packs to train on: a file, or for Parquet also a folder or a pattern.
        pack_size: Tokens in a pack.
        validation: The packs to validate on; None for no validation.
    """

    root: str
    train: str
    pack_size: int
    validation: str | None = None


def use_packed_data(container: Any, data: PackedData) -> None:
    """Fine-tune on packs, which replace the recipe's own data.

    What the recipe says of loading (workers, seed …) is kept where its dataset is of the same
    class.

    Args:
        container: The framework's configuration; ``dataset`` is replaced, and the model's
            ``seq_length`` is that of the packs.
        data: The packs.

    Raises:
        ConfigError: The installed release cannot read them, or they are not there.
    """
    specs = _first(_SPECS)(
        packed_sequence_size=data.pack_size,
        packed_train_data_path=_readable(data.train, "data.packed.train"),
        packed_val_data_path=_readable(data.validation, "data.packed.validation"),
    )
    kind = _first(_DATASETS)
    names = {field.name for field in dataclasses.fields(kind)}
    field = next(name for name in _FIELDS if name in names)
    ours: dict[str, Any] = {
        "dataset_root": data.root,
        "seq_length": data.pack_size,
        field: specs,
        "do_validation": data.validation is not None,
        "do_test": False,
    }
    if _SWITCH in names:
        ours[_SWITCH] = True
    container.dataset = kind(**{**_kept(container.dataset, kind), **ours})
    container.model.seq_length = data.pack_size


def check_packs(container: Any) -> None:
    """Refuse packs of another length than the configuration's, and packs that are not there.

    Args:
        container: The framework's configuration, complete.

    Raises:
        ConfigError: Two lengths differ, packs are missing, or the release cannot read them.
    """
    dataset = getattr(container, "dataset", None)
    field = next((name for name in _FIELDS if getattr(dataset, name, None)), None)
    if field is None:
        return
    specs = getattr(dataset, field)
    for name in _PATHS:
        _readable(_text(getattr(specs, name, None)), f"dataset.{name}")
    sizes = dict(_sizes(container, dataset, field))
    (first, size), *others = sizes.items()
    for where, other in others:
        if other != size:
            raise ConfigError(
                f"The packs have {size} tokens by {first}, and {where} is {other}.",
                where=where,
                hint="Prepare the data again with that pack_size, or leave the setting to it.",
            )


def _sizes(container: Any, dataset: Any, field: str) -> Iterator[tuple[str, int]]:
    specs = getattr(dataset, field)
    yield from _size_of_data(_text(getattr(specs, _PATHS[0], None)))
    packed = getattr(specs, "packed_sequence_size", None)
    if isinstance(packed, int) and packed > 0:
        yield f"dataset.{field}.packed_sequence_size", packed
    for name, owner in (("dataset", dataset), ("model", getattr(container, "model", None))):
        length = getattr(owner, "seq_length", None)
        if isinstance(length, int):
            yield f"{name}.seq_length", length


def _size_of_data(train: str | None) -> Iterator[tuple[str, int]]:
    """What the data itself says: the record beside it, or the name of an ``.npy`` file."""
    if train is None or "://" in train:
        return
    place = Path(train)
    for folder in [place, *place.parents][: _LEVELS + 1]:
        size = _recorded(folder / _METADATA)
        if size is not None:
            yield str(folder / _METADATA), size
            return
    named = _NAMED_SIZE.fullmatch(place.name)
    if named is not None:
        yield place.name, int(named.group(1))


def _recorded(file: Path) -> int | None:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    size = document.get("pack_size") if isinstance(document, dict) else None
    return size if isinstance(size, int) and not isinstance(size, bool) else None


def _readable(path: str | None, where: str) -> str | None:
    if path is None or "://" in path:
        return path
    files = _files(path)
    if not files:
        raise ConfigError(
            f"There are no packs at {path}.",
            where=where,
            hint="Was the data moved or deleted, or is its disk not mounted here?",
        )
    is_parquet = files[0].lower().endswith(_PARQUET)
    if is_parquet and not any(map(has_module, _READERS_OF_PARQUET)):
        raise ConfigError(
            f"{described()} reads packs from .npy files, not from Parquet.",
            where=where,
            hint="Prepare the data with format=npy, or use 0.4 or later.",
        )
    if not is_parquet and len(files) > 1:
        raise ConfigError(f"Packs in .npy are one file, and {path} is several.", where=where)
    return path


def _files(path: str) -> list[str]:
    place = Path(path)
    if place.is_dir():
        return sorted(str(each) for each in place.iterdir() if each.suffix in _PARQUET)
    if any(letter in path for letter in _PATTERN) and not place.exists():
        return sorted(glob.glob(path))  # noqa: PTH207 - a pattern may reach over folders
    return [path] if place.is_file() else []


def _kept(dataset: Any, kind: type) -> dict[str, Any]:
    if type(dataset) is not kind:
        return {}
    from_elsewhere = {name for name in vars(dataset) if name.startswith("hf_")}
    return {
        field.name: getattr(dataset, field.name)
        for field in dataclasses.fields(kind)
        if field.init and field.name not in from_elsewhere
    }


def _first(targets: tuple[str, ...]) -> Any:
    for target in targets:
        module_name, _, name = target.partition(":")
        if has_module(module_name):
            module = importlib.import_module(module_name)
            if hasattr(module, name):
                return getattr(module, name)
    names = " nor ".join(target.replace(":", ".") for target in targets)
    raise ConfigError(f"{described()} has neither {names}.", hint="Releases 0.3 to 0.6 work.")


def _text(path: Any) -> str | None:
    return None if path is None else str(path)
