"""From the lengths of sequences to packs: how often each is used, which fit, where they go.

Nothing is written here and no id is read but those of sequences that are cut, so that the same
decisions can be shown before anything is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nemo_runspec.amounts import show_count
from nemo_runspec.errors import DataError
from nemotron_data_prep.config import SPLITS, SftPrepConfig
from nemotron_data_prep.packing import Packs, pack_sequences, shuffle_packs
from nemotron_data_prep.plan import Plan
from nemotron_data_prep.sampling import assign_splits, copies
from nemotron_data_prep.sft.tokenized import SequenceTable, TokenizedShards
from nemotron_data_prep.sources.records import describe_place

LOST_TO = {"drop": "too_long", "truncate": "nothing_to_train_after_truncation"}


@dataclass(frozen=True, slots=True)
class PackingPlan:
    """Which sequences go into which packs.

    Attributes:
        table: The sequences; those that are cut have their new lengths.
        original: Their lengths before, (sequences,).
        record: The conversation of each, (sequences,).
        dataset: The dataset of each, (sequences,).
        uses: How often each is used, by its dataset's weight, (sequences,).
        long: Whether it was longer than a pack, (sequences,) bool.
        lost: Whether it is left out for that, (sequences,) bool.
        split: Index into :data:`~nemotron_data_prep.config.SPLITS` of each, (sequences,).
        packs: The packs of every split; members index the table.
    """

    table: SequenceTable
    original: NDArray[np.int64]
    record: NDArray[np.int64]
    dataset: NDArray[np.int64]
    uses: NDArray[np.int64]
    long: NDArray[np.bool_]
    lost: NDArray[np.bool_]
    split: NDArray[np.int8]
    packs: Mapping[str, Packs]


def plan_packs(shards: TokenizedShards, config: SftPrepConfig, plan: Plan) -> PackingPlan:
    """Decide what goes where.

    Args:
        shards: The tokenized shards; sequences that are too long are cut in them, where the
            configuration says so.
        config: Pack size, algorithm, seed, splits, and what to do with long sequences.
        plan: The blend with its weights and the splits that datasets name, and the files,
            which say whose dataset a sequence is.

    Raises:
        DataError: A sequence is too long and the configuration says to stop.
    """
    table = shards.table
    dataset = np.array([file.dataset for file in plan.files], dtype=np.int64)[table.file]
    uses = np.ones(len(table), dtype=np.int64)
    split = assign_splits(table.key, config.split, config.seed)
    for index, entry in enumerate(plan.datasets):
        mine = dataset == index
        if entry.weight != 1:
            uses[mine] = copies(table.key[mine], entry.weight, config.seed)
        if entry.split is not None:
            split[mine] = SPLITS.index(entry.split)
    original = table.length.copy()
    long = original > config.pack_size
    lost = _fit(shards, config, np.flatnonzero(long & (uses > 0)), plan)
    wanted = np.where(lost, 0, uses)
    packs = {
        name: _pack(table, config, np.repeat(*_chosen(wanted, split == index)))
        for index, name in enumerate(SPLITS)
    }
    return PackingPlan(table, original, table.records(), dataset, uses, long, lost, split, packs)


def _chosen(
    wanted: NDArray[np.int64], here: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sequences of a split that are used, and how often each."""
    indices = np.flatnonzero(here & (wanted > 0))
    return indices, wanted[indices]


def _fit(
    shards: TokenizedShards,
    config: SftPrepConfig,
    longer: NDArray[np.int64],
    plan: Plan,
) -> NDArray[np.bool_]:
    """Which sequences are lost since they are too long; others are cut."""
    table = shards.table
    lost = np.zeros(len(table), dtype=bool)
    if not len(longer):
        return lost
    if config.on_too_long == "stop":
        longest = int(longer[table.length[longer].argmax()])
        where = describe_place(plan.files[table.file[longest]], int(table.position[longest]))
        found = show_count(len(longer), "sequence")
        raise DataError(
            f"{found} {'is' if len(longer) == 1 else 'are'} longer than a pack; the longest has "
            f"{int(table.length[longest])} tokens ({where}).",
            where="pack_size",
            hint="Raise pack_size, or set on_too_long to drop or truncate.",
        )
    lost[longer] = True
    if config.on_too_long == "truncate":
        for index in longer.tolist():
            shards.truncate(index, config.pack_size)
        lost[longer] = table.trained[longer] == 0
    return lost


def _pack(table: SequenceTable, config: SftPrepConfig, chosen: NDArray[np.int64]) -> Packs:
    lengths = table.length[chosen]
    fitted = pack_sequences(config.packing, lengths, config.pack_size, config.seed)
    shuffled = shuffle_packs(fitted, config.seed)
    return Packs(chosen[shuffled.members], shuffled.bounds)
