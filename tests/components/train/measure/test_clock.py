"""Seconds by part."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.train.measure.clock import CHECKPOINT, COMMUNICATION, DATA, Clock, Window

seconds = st.floats(0, 1e6)


@given(st.builds(Window, st.integers(0, 1000), st.just(5e6), seconds, seconds, seconds))
def test_parts_are_the_whole_window(window: Window) -> None:
    assert sum(window.parts().values()) == pytest.approx(window.wall)
    assert Window.of([*window.numbers(), 7.0]) == window


def test_what_happens_within_a_wait_belongs_to_it() -> None:
    clock = Clock()
    with clock.waiting(CHECKPOINT), clock.waiting(COMMUNICATION):
        time.sleep(0.01)
    window = clock.end()
    assert window.communication == 0.0
    assert window.checkpoint >= 0.01


def test_a_wait_that_fails_is_counted_and_over() -> None:
    clock = Clock()
    with pytest.raises(OSError, match="gone"), clock.waiting(DATA):
        time.sleep(0.01)
        raise OSError("gone")
    assert clock.end().data >= 0.01
    assert not clock.waits


def test_a_window_begins_empty() -> None:
    clock = Clock()
    clock.step()
    clock.add(DATA, 1.0)
    assert (clock.end().steps, clock.end().data) == (1, 0.0)
