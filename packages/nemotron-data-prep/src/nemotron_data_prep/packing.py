"""Packing: which sequences share a pack. Lengths in, an assignment out; nothing else.

Best fit, longest first: each sequence goes into the fullest pack that still has room. Packs are
kept in one bucket per free length, and the non-empty buckets in the bits of one integer, so that
the best fit is the lowest set bit at or above the length: linear in the number of sequences for
a given pack size, with no search through the packs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Packs:
    """An assignment of sequences to packs.

    Attributes:
        members: Sequence indices, pack after pack, (sequences,) int64.
        bounds: Where each pack starts in ``members``, with a last entry for the end,
            (packs + 1,) int64.
    """

    members: NDArray[np.int64]
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def pack(self, index: int) -> NDArray[np.int64]:
        """The sequences of one pack."""
        return self.members[self.bounds[index] : self.bounds[index + 1]]


def best_fit_decreasing(lengths: NDArray[np.integer], pack_size: int) -> Packs:
    """Assign sequences to packs, best fit, longest first.

    Args:
        lengths: Tokens of each sequence, each from 1 to ``pack_size``, (sequences,).
        pack_size: Tokens that fit in a pack.

    Returns:
        Packs in the order they were opened; the same for the same lengths.

    Raises:
        ValueError: A length is out of range.
    """
    if len(lengths) and (lengths.min() < 1 or lengths.max() > pack_size):
        raise ValueError(f"lengths must lie between 1 and {pack_size}")
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    pack_of = np.empty(len(lengths), dtype=np.int64)
    buckets: dict[int, list[int]] = {}
    free_lengths = 0
    packs = 0
    for index, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        fitting = free_lengths >> length
        if fitting:
            free = length + (fitting & -fitting).bit_length() - 1
            bucket = buckets[free]
            pack = bucket.pop()
            if not bucket:
                free_lengths ^= 1 << free
        else:
            free, pack = pack_size, packs
            packs += 1
        pack_of[index] = pack
        left = free - length
        if left:
            buckets.setdefault(left, []).append(pack)
            free_lengths |= 1 << left
    return _group(pack_of, packs)


def shuffle_packs(packs: Packs, seed: int) -> Packs:
    """Put packs in a random order that depends on the seed alone.

    Longest-first packing opens the packs of long sequences first; training should not see them
    in that order.
    """
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(packs))
    sizes = np.diff(packs.bounds)[order]
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    members = [packs.pack(index) for index in order.tolist()]
    return Packs(np.concatenate(members) if members else packs.members, bounds)


ALGORITHMS: Mapping[str, Callable[[NDArray[np.integer], int], Packs]] = {
    "best_fit_decreasing": best_fit_decreasing
}


def _group(pack_of: NDArray[np.int64], packs: int) -> Packs:
    members = np.argsort(pack_of, kind="stable").astype(np.int64)
    bounds = np.zeros(packs + 1, dtype=np.int64)
    np.cumsum(np.bincount(pack_of, minlength=packs), out=bounds[1:])
    return Packs(members, bounds)
