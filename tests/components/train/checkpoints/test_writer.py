"""Work beside training: one piece at a time, and nothing that goes wrong is lost."""

from __future__ import annotations

import os
import threading

import pytest

from platen.components.train.checkpoints.writer import NICE, Writer


def test_it_is_busy_until_the_work_is_done_and_waiting_waits() -> None:
    writer, go, done = Writer(), threading.Event(), []
    writer.start(lambda: done.append(go.wait(60)))
    assert (writer.busy, done) == (True, [])
    go.set()
    writer.wait()
    assert (writer.busy, done) == (False, [True])


def test_what_the_work_raises_comes_out_once_where_it_is_waited_for() -> None:
    writer = Writer()
    writer.start(lambda: {}["gone"])
    with pytest.raises(KeyError, match="gone"):
        writer.wait()
    writer.wait()
    writer.start(lambda: None)
    writer.wait()


def test_it_takes_what_training_leaves_of_the_cpus() -> None:
    writer, seen = Writer(), []
    writer.start(lambda: seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
    writer.wait()
    assert seen == [NICE]
    assert os.getpriority(os.PRIO_PROCESS, 0) < NICE, "training itself"


def test_nothing_to_wait_for_is_no_wait() -> None:
    writer = Writer()
    writer.wait()
    assert not writer.busy
