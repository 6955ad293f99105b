"""Tokenized text that was prepared elsewhere: ``blend.json`` and ``.bin/.idx`` pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nemo_runspec.artifacts import PretrainBlendsArtifact
from nemo_runspec.importing import Description, read_recorded
from nemotron_data_prep.importing.blends import BlendEntry, read_splits, relative_note
from nemotron_data_prep.importing.indexed import ShardCounts, check_shard
from nemotron_data_prep.importing.layout import BLEND_FILE, Layout, open_layout, readable
from nemotron_data_prep.progress import Progress, make_progress

_DESCRIPTIVE = ("tokenizer", "vocab_size", "source_datasets")


def describe_pretrain_data(path: str | Path) -> Description:
    """Check pretraining data and describe it as an artifact; indices are read, tokens are not.

    Args:
        path: The folder with ``blend.json``, or that file.

    Raises:
        UsageError: The path is another file.
        DataError: A shard that ``blend.json`` names is missing, damaged or cut off, or a key of
            the file is wrong; the file and the key are named.
        ArtifactError: The path does not exist, or a JSON file cannot be read.
    """
    with readable(path):
        return _described(open_layout(path, BLEND_FILE))


def _described(layout: Layout) -> Description:
    splits = read_splits(layout)
    counts = _count(layout, splits)
    recorded = read_recorded(layout.folder, PretrainBlendsArtifact.__name__)
    measured = {
        "total_tokens": sum(count.tokens for count in counts.values()),
        "num_documents": sum(count.documents for count in counts.values()),
    }
    recorded.check(measured)
    fields = {
        **measured,
        "path": str(layout.folder),
        "splits": {
            split: {"documents": count.documents, "tokens": count.tokens}
            for split, count in counts.items()
        },
    }
    artifact = PretrainBlendsArtifact.from_document(
        recorded.describe(fields, _DESCRIPTIVE), where=str(recorded.file)
    )
    notes = (*relative_note(splits), *_shared_note(splits))
    return Description(artifact, notes, recorded.ref, layout.outside(_files(splits)))


def _files(splits: dict[str, list[BlendEntry]]) -> Iterator[str]:
    for entries in splits.values():
        for entry in entries:
            yield from (f"{entry.prefix}{suffix}" for suffix in (".bin", ".idx"))


def _count(layout: Layout, splits: dict[str, list[BlendEntry]]) -> dict[str, ShardCounts]:
    indices = [Path(f"{entry.prefix}.idx") for entries in splits.values() for entry in entries]
    total_bytes = sum(index.stat().st_size for index in indices if index.is_file())
    progress = make_progress("checking shards", total_bytes)
    try:
        return {
            split: _split_counts(layout, entries, progress) for split, entries in splits.items()
        }
    finally:
        progress.close()


def _split_counts(layout: Layout, entries: list[BlendEntry], progress: Progress) -> ShardCounts:
    documents = tokens = 0
    for prefix, entry in {entry.prefix: entry for entry in entries}.items():
        found = check_shard(prefix, named_at=layout.key(entry.key))
        documents += found.documents
        tokens += found.tokens
        progress.advance(Path(f"{prefix}.idx").stat().st_size)
    return ShardCounts(documents, tokens)


def _shared_note(splits: dict[str, list[BlendEntry]]) -> tuple[str, ...]:
    trained = {entry.prefix for entry in splits["train"]}
    held_out = [entry for split in ("valid", "test") for entry in splits[split]]
    shared = [entry for entry in held_out if entry.prefix in trained]
    if not shared:
        return ()
    return (f"{shared[0].key} is a training shard too: {shared[0].written}.",)
