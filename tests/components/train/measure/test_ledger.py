"""Goodput and cost over all attempts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.train.measure.clock import Window
from platen.components.train.measure.ledger import Attempt, Ledger, cost, seconds_left, spent


def attempt(started: float, first: int, steps: int, checkpoint: float = 0.0) -> Attempt:
    """Starts for 10 s, trains a second a step, saves."""
    seen = started + 10 + steps + checkpoint
    return Attempt(
        started=started,
        looped=started + 10,
        seen=seen,
        first=first,
        reached=first + steps,
        steps=steps,
        training=steps,
        checkpoint=checkpoint,
    )


def test_steps_that_were_lost_to_a_kill_are_waste() -> None:
    """90 steps, killed; on again from step 50, 20 s later, to the end at step 100."""
    told = spent([attempt(0, 0, 90, checkpoint=5), attempt(125, 50, 50)])
    assert told.useful == 100
    assert told.lost == 40
    assert (told.starting, told.checkpoint, told.between, told.other) == (20, 5, 20, 0)
    assert told.goodput == pytest.approx(100 / 185)


def test_an_older_checkpoint_takes_from_two_attempts() -> None:
    """The second attempt went on from step 50; the third found only step 20 whole."""
    told = spent([attempt(0, 0, 60), attempt(100, 50, 30), attempt(200, 20, 80)])
    assert told.useful == 20 + 0 + 80
    assert told.lost == 40 + 30


def test_an_attempt_that_was_never_heard_of_again_costs_only_time() -> None:
    told = spent([attempt(0, 0, 0), attempt(100, 0, 10)])
    assert (told.useful, told.lost, told.starting) == (10, 0, 20)
    assert told.between == 90


def test_a_step_back_within_an_attempt_is_waste() -> None:
    rolled_back = attempt(0, 0, 30).model_copy(update={"reached": 20})
    assert spent([rolled_back]).useful == 20
    assert spent([rolled_back]).lost == 10


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0, 100)), min_size=1, max_size=6))
def test_nothing_is_counted_twice(told: list[tuple[int, int, float]]) -> None:
    attempts: list[Attempt] = []
    for first, steps, pause in told:
        reached = attempts[-1].reached if attempts else 0
        attempts.append(attempt(attempts[-1].seen + pause if attempts else 0.0, min(first, reached), steps))
    found = spent(attempts)
    assert sum(found.model_dump(exclude={"wall"}).values()) == pytest.approx(found.wall)
    assert found.useful == pytest.approx(attempts[-1].reached)


def test_the_cost_is_that_of_the_time_in_which_ranks_ran() -> None:
    attempts = [attempt(0, 0, 50), attempt(1000, 50, 50, checkpoint=10)]
    told = cost(attempts, steps=200, usd_an_hour=36.0)
    assert told.so_far == pytest.approx(1.30)  # 60 and 70 s; not the 940 s between them
    assert told.to_the_end == pytest.approx(100 * 60 / 50 / 100)
    assert seconds_left(attempt(0, 0, 0), 200) == 0.0


def test_the_next_attempt_goes_on_with_the_file(tmp_path: Path) -> None:
    killed = Ledger(str(tmp_path))
    killed.begin(started=100.0, first=0)
    killed.add(Window(4, 8.0, 1.0, 1.0, 2.0), reached=4, write=True)
    killed.add(Window(4, 8.0), reached=8, write=False)
    after = Ledger(str(tmp_path))
    after.begin(started=200.0, first=4)
    assert [(entry.first, entry.reached, entry.training) for entry in after.attempts] == [(0, 8, 14.0), (4, 4, 0.0)]
