from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import pytest

from platen.core import retry as module
from platen.core.errors import ClusterError, InputError
from platen.core.retry import FIRST_PAUSE, LONGEST_PAUSE, retry


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "time", found)
    return found


def failing(times: float, error: Exception) -> Callable[[], str]:
    calls = itertools.count()

    def attempt() -> str:
        if next(calls) < times:
            raise error
        return "done"

    return attempt


def test_what_passes_is_tried_again(clock: Clock) -> None:
    assert retry(failing(3, ClusterError("away")), ClusterError, 60) == "done"
    assert len(clock.pauses) == 3


def test_pauses_double_to_a_bound_and_are_drawn(clock: Clock) -> None:
    with pytest.raises(ClusterError):
        retry(failing(float("inf"), ClusterError("away")), ClusterError, 600)
    for number, pause in enumerate(clock.pauses):
        length = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
        assert length / 2 <= pause <= length
    assert len({round(pause, 6) for pause in clock.pauses[10:20]}) > 1
    assert clock.now <= 600


def test_another_error_is_raised_at_once(clock: Clock) -> None:
    with pytest.raises(InputError):
        retry(failing(1, InputError("wrong")), ClusterError, 60)
    assert clock.pauses == []


def test_without_time_there_is_one_attempt() -> None:
    started = time.monotonic()
    with pytest.raises(ClusterError):
        retry(failing(1, ClusterError("away")), ClusterError, 0)
    assert time.monotonic() - started < FIRST_PAUSE / 2
