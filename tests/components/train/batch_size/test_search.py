from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from platen.components.train.batch_size.search import largest_fitting, sizes


@given(st.integers(1, 400), st.integers(0, 500), st.integers(1, 500))
def test_the_largest_that_fits_is_found_in_few_trials(own: int, room: int, most: int) -> None:
    tried = sizes(own, most)
    asked: list[int] = []

    def fits(size: int) -> bool:
        asked.append(size)
        return size <= room

    fitting = [size for size in tried if size <= room]
    assert largest_fitting(tried, fits) == (fitting[-1] if fitting else None)
    assert len(asked) == len(set(asked)) <= 2 * len(tried).bit_length() + 1


def test_doubling_comes_first_then_what_is_between() -> None:
    asked: list[int] = []
    largest_fitting(sizes(96, 96), lambda size: bool(asked.append(size)) or size <= 12)
    assert asked == [1, 2, 4, 8, 16, 12]


def test_a_size_divides_a_ranks_samples_and_is_not_more_than_there_are() -> None:
    assert sizes(12, 5) == [1, 2, 3, 4]
    assert sizes(12, 0) == []
