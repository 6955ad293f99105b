from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemotron_data_prep.packing import ALGORITHMS, best_fit_decreasing, shuffle_packs

PACK = 64
lengths_in_range = st.lists(st.integers(1, PACK), max_size=300).map(
    lambda values: np.array(values, dtype=np.int64)
)


def reference_best_fit(lengths: list[int], pack_size: int) -> int:
    """Best fit decreasing as the textbook has it: a search through all packs."""
    free: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [room for room in free if room >= length]
        if fitting:
            free[free.index(min(fitting))] -= length
        else:
            free.append(pack_size - length)
    return len(free)


@given(lengths_in_range)
def test_every_sequence_lies_in_exactly_one_pack_that_holds_it(lengths: np.ndarray) -> None:
    packs = best_fit_decreasing(lengths, PACK)
    assert sorted(packs.members.tolist()) == list(range(len(lengths)))
    for index in range(len(packs)):
        members = packs.pack(index)
        assert len(members) >= 1
        assert lengths[members].sum() <= PACK


@given(lengths_in_range)
def test_it_needs_as_many_packs_as_the_textbook_algorithm(lengths: np.ndarray) -> None:
    assert len(best_fit_decreasing(lengths, PACK)) == reference_best_fit(lengths.tolist(), PACK)


@given(lengths_in_range)
def test_no_two_packs_are_both_at_most_half_full(lengths: np.ndarray) -> None:
    packs = best_fit_decreasing(lengths, PACK)
    fill = [int(lengths[packs.pack(index)].sum()) for index in range(len(packs))]
    assert sum(1 for tokens in fill if tokens <= PACK // 2) <= 1


@given(lengths_in_range, st.integers(0, 2**32))
def test_the_same_lengths_and_seed_give_the_same_packs(lengths: np.ndarray, seed: int) -> None:
    first = shuffle_packs(best_fit_decreasing(lengths, PACK), seed)
    second = shuffle_packs(best_fit_decreasing(lengths.copy(), PACK), seed)
    assert np.array_equal(first.members, second.members)
    assert np.array_equal(first.bounds, second.bounds)


@given(lengths_in_range, st.integers(0, 2**32))
def test_shuffling_moves_whole_packs(lengths: np.ndarray, seed: int) -> None:
    packs = best_fit_decreasing(lengths, PACK)
    shuffled = shuffle_packs(packs, seed)
    before = sorted(tuple(packs.pack(index).tolist()) for index in range(len(packs)))
    after = sorted(tuple(shuffled.pack(index).tolist()) for index in range(len(shuffled)))
    assert before == after


@pytest.mark.parametrize("lengths", [[0], [PACK + 1], [5, -1]])
def test_lengths_outside_a_pack_are_refused(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="between 1 and 64"):
        best_fit_decreasing(np.array(lengths), PACK)


def test_sequences_of_full_length_fill_a_pack_each() -> None:
    packs = best_fit_decreasing(np.array([PACK, PACK, PACK]), PACK)
    assert [packs.pack(index).tolist() for index in range(len(packs))] == [[0], [1], [2]]


def test_the_default_algorithm_is_known_by_name() -> None:
    assert ALGORITHMS["best_fit_decreasing"] is best_fit_decreasing
