"""Packed conversations that were prepared elsewhere: ``blend.json`` and Parquet or ``.npy``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nemo_runspec.artifacts import SFTDataArtifact
from nemo_runspec.errors import DataError, UsageError
from nemo_runspec.importing import Description, Recorded, read_recorded
from nemotron_data_prep.importing.blends import BlendEntry, read_splits
from nemotron_data_prep.importing.layout import BLEND_FILE, Layout, open_layout, readable
from nemotron_data_prep.importing.packs import PackCounts, check_packs, longest_pack, size_in_name

_DESCRIPTIVE = ("tokenizer", "chat_template", "source_datasets", "trained_tokens", "total_tokens")
_MOST_TOKENS_READ = 1 << 26
_PATHS = {"train": "training_path", "valid": "validation_path", "test": "test_path"}


def describe_sft_data(path: str | Path, *, pack_size: int | None = None) -> Description:
    """Check packed conversations and describe them as an artifact; packs are not read.

    Args:
        path: The folder with ``blend.json``, or that file.
        pack_size: Tokens in a full pack. It may be left out where the record beside the data,
            ``blend.json`` or the file's name says it; for small data without those it is the
            longest pack.

    Raises:
        UsageError: The path is another file, or the pack size is not known.
        DataError: A file that ``blend.json`` names is missing, damaged or has other columns, or
            two pack sizes are told; the file and the column or key are named.
        ArtifactError: The path does not exist, or a JSON file cannot be read.
    """
    with readable(path):
        return _described(open_layout(path, BLEND_FILE), pack_size)


def _described(layout: Layout, pack_size: int | None) -> Description:
    entries = read_splits(layout)
    places = {split: _place(layout, found) for split, found in entries.items()}
    counts = {
        split: check_packs(place.prefix, named_at=layout.key(place.key))
        for split, place in places.items()
        if place is not None
    }
    recorded = read_recorded(layout.folder, SFTDataArtifact.__name__)
    measured = {"num_packs": sum(count.packs for count in counts.values()), **_tokens(counts)}
    recorded.check(measured)
    fields = {
        **measured,
        "path": str(layout.folder),
        "pack_size": _pack_size(pack_size, recorded, layout, counts),
        **{_PATHS[split]: place and place.prefix for split, place in places.items()},
    }
    artifact = SFTDataArtifact.from_document(
        recorded.describe(fields, _DESCRIPTIVE), where=str(recorded.file)
    )
    files = (file for count in counts.values() for file in count.files)
    return Description(artifact, recorded_ref=recorded.ref, outside=layout.outside(files))


def _place(layout: Layout, entries: list[BlendEntry]) -> BlendEntry | None:
    if len(entries) > 1:
        raise DataError(
            f"The split has {len(entries)} places; Megatron-Bridge reads packs from one.",
            where=layout.key(entries[1].key),
            hint="Put the files into one folder, or name them by a pattern.",
        )
    return entries[0] if entries else None


def _tokens(counts: dict[str, PackCounts]) -> dict[str, Any]:
    found = [count.tokens for count in counts.values() if count.tokens is not None]
    return {"total_tokens": sum(found)} if len(found) == len(counts) else {}


def _pack_size(
    asked: int | None, recorded: Recorded, layout: Layout, counts: dict[str, PackCounts]
) -> Any:
    told: dict[str, Any] = {
        "--pack-size": asked,
        recorded.file.name: recorded.get("pack_size"),
        layout.file.name: layout.document.get("pack_size"),
    }
    files = [file for count in counts.values() for file in count.files]
    told |= {file.name: size_in_name(file) for file in files}
    known = {source: size for source, size in told.items() if size is not None}
    for source, size in known.items():
        first, first_size = next(iter(known.items()))
        if size != first_size:
            raise DataError(
                f"{first} says that a pack has {first_size} tokens, and {source} says {size}.",
                where=str(layout.folder),
            )
    if known:
        return next(iter(known.values()))
    return _measured_size(layout, counts)


def _measured_size(layout: Layout, counts: dict[str, PackCounts]) -> int:
    tokens = _tokens(counts).get("total_tokens")
    if tokens is not None and tokens <= _MOST_TOKENS_READ:
        return max(longest_pack(count.files) for count in counts.values())
    raise UsageError(
        "Nothing beside the data says how many tokens a full pack has.",
        where=str(layout.folder),
        hint="Give it with --pack-size TOKENS.",
    )
