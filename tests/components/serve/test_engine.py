from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait

import pytest

from platen.components.serve.engine import FAILURES, BrokenError, Engine, GivenUpError, Job
from platen.components.serve.metrics import Metrics
from platen.core.errors import InputError, ProcessError


class StepSampler:
    """Makes a picture in as many steps as it is let: one for each release of `gate`."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.began = threading.Semaphore(0)
        self.drawn: list[str] = []

    def warm_up(self) -> None:
        """Nothing to do."""

    def draw(self, jobs: Sequence[Job], on_step: Callable[[], None]) -> list[bytes]:
        """The prompt, as bytes."""
        self.drawn += [job.prompt for job in jobs]
        self.began.release()
        for _ in range(jobs[0].steps):
            assert self.gate.acquire(timeout=30)
            on_step()
        if jobs[0].prompt == "bad":
            raise ValueError("a fault")
        return [job.prompt.encode() for job in jobs]


class BreakingSampler(StepSampler):
    """Cannot draw what the prompt says, and nothing at all once `broken` is set, as a GPU that was lost."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: Exception | None = None

    def warm_up(self) -> None:
        """The picture that it can draw while it is whole."""
        self.draw([job("warm up")], lambda: None)

    def draw(self, jobs: Sequence[Job], on_step: Callable[[], None]) -> list[bytes]:
        """The prompt, as bytes."""
        if self.broken:
            raise self.broken
        if jobs[0].prompt == "bad":
            raise RuntimeError("a fault of this prompt")
        return [job.prompt.encode() for job in jobs]


def job(prompt: str, steps: int = 1) -> Job:
    return Job(prompt, 0, 64, 64, steps, 2.0)


def start(sampler: StepSampler, queue: int = 4) -> Engine:
    engine = Engine(lambda: sampler, Metrics("platen", "0" * 64), queue)
    engine.start()
    while engine.state == "loading":
        time.sleep(0.001)
    return engine


@pytest.fixture
def sampler() -> StepSampler:
    return StepSampler()


@pytest.fixture
def engine(sampler: StepSampler) -> Iterator[Engine]:
    engine = start(sampler)
    yield engine
    sampler.gate.release(1000)
    assert engine.close()


def results(futures: list[Future[bytes]]) -> list[bytes]:
    wait(futures, 30)
    return [future.result(0) for future in futures]


def test_each_future_gets_its_own_picture(engine: Engine, sampler: StepSampler) -> None:
    futures = engine.submit([job("a"), job("b"), job("c")])
    sampler.gate.release(3)
    assert results(futures) == [b"a", b"b", b"c"]


def test_ready_is_measured_from_the_end_of_loading_until_it_drains() -> None:
    metrics, loaded = Metrics("platen", "0" * 64), threading.Event()

    def load() -> StepSampler:
        assert loaded.wait(30)
        return StepSampler()

    engine = Engine(load, metrics, queue=4)
    engine.start()
    assert metrics.registry.get_sample_value("platen_ready") == 0
    loaded.set()
    while engine.state == "loading":
        time.sleep(0.001)
    assert metrics.registry.get_sample_value("platen_ready") == 1
    engine.drain()
    assert metrics.registry.get_sample_value("platen_ready") == 0
    assert engine.close()


def test_requests_take_turns(engine: Engine, sampler: StepSampler) -> None:
    first = engine.submit([job("a1"), job("a2"), job("a3")])
    assert sampler.began.acquire(timeout=30)
    second = engine.submit([job("b1")])
    sampler.gate.release(4)
    results([*first, *second])
    assert sampler.drawn == ["a1", "a2", "b1", "a3"]


def test_room_is_counted_in_pictures_that_somebody_waits_for(engine: Engine, sampler: StepSampler) -> None:
    running = engine.submit([job("running")])
    assert sampler.began.acquire(timeout=30)
    waiting = engine.submit([job(str(number)) for number in range(4)])
    assert not engine.has_room(1)
    waiting[2].cancel()
    assert engine.has_room(1)
    assert not engine.has_room(2)
    sampler.gate.release(4)
    assert results(running) == [b"running"]


def test_cancelling_ends_a_running_picture_at_its_next_step(engine: Engine, sampler: StepSampler) -> None:
    [running] = engine.submit([job("long", steps=500)])
    [after] = engine.submit([job("short")])
    assert sampler.began.acquire(timeout=30)
    assert running.cancel()
    sampler.gate.release(2)  # one step of the long one, which then ends, and the one of the short one
    assert results([after]) == [b"short"]


def test_a_cancelled_picture_is_never_begun(engine: Engine, sampler: StepSampler) -> None:
    [running] = engine.submit([job("running")])
    [waiting] = engine.submit([job("waiting")])
    waiting.cancel()
    [last] = engine.submit([job("last")])
    sampler.gate.release(2)
    assert results([running, last]) == [b"running", b"last"]
    assert sampler.drawn == ["running", "last"]


def test_a_picture_that_fails_does_not_end_the_engine(engine: Engine, sampler: StepSampler) -> None:
    [bad] = engine.submit([job("bad")])
    [good] = engine.submit([job("good")])
    sampler.gate.release(2)
    with pytest.raises(ProcessError, match="ValueError: a fault"):
        bad.result(30)
    assert results([good]) == [b"good"]


def test_draining_finishes_what_was_accepted_and_takes_no_more(engine: Engine, sampler: StepSampler) -> None:
    futures = engine.submit([job("a"), job("b")])
    engine.drain()
    with pytest.raises(GivenUpError, match="draining"):
        engine.submit([job("late")])
    sampler.gate.release(2)
    assert results(futures) == [b"a", b"b"]


def test_closing_gives_up_all_that_is_not_done(sampler: StepSampler) -> None:
    engine = start(sampler)
    futures = engine.submit([job("a", steps=500), job("b")])
    assert sampler.began.acquire(timeout=30)
    assert not engine.close(timeout=0)
    sampler.gate.release(1)
    assert engine.close()
    assert all(future.cancelled() for future in futures)


def test_a_model_that_does_not_load_is_told() -> None:
    def load() -> StepSampler:
        raise InputError("no such model")

    engine = Engine(load, Metrics("platen", "0" * 64), 4)
    engine.start()
    assert engine.close()
    assert engine.state == "failed"
    assert isinstance(engine.failure, InputError)


def test_the_time_to_wait_grows_with_the_queue(engine: Engine, sampler: StepSampler) -> None:
    empty = engine.retry_after()
    engine.submit([job("a"), job("b"), job("c")])
    assert 1 <= empty < engine.retry_after()


def fail(engine: Engine, prompts: list[str]) -> list[Future[bytes]]:
    """What became of pictures, once none of them is waited for any more."""
    futures = engine.submit([job(prompt) for prompt in prompts])
    while not all(future.done() for future in futures):  # `wait` does not see one that was cancelled
        time.sleep(0.001)
    return futures


def test_a_device_that_draws_nothing_any_more_ends_the_engine() -> None:
    sampler = BreakingSampler()
    engine = start(sampler)
    sampler.broken = RuntimeError("cuDNN error")
    told = fail(engine, ["any"] * (FAILURES + 1))
    assert all(isinstance(future.exception(), ProcessError) for future in told[:-1])
    assert told[-1].cancelled()  # given up: the client is asked to try again
    assert engine.close()
    assert engine.state == "failed" and isinstance(engine.failure, BrokenError)
    assert engine.failure.exit_code == 1
    assert "3 pictures in a row failed, and so does the one" in str(engine.failure)
    assert "cuDNN error" in str(engine.failure)


def test_a_lost_device_ends_the_engine_at_once() -> None:
    sampler = BreakingSampler()
    engine = start(sampler)
    sampler.broken = BrokenError("CUDA error: an illegal memory access was encountered")
    failed, given_up = fail(engine, ["a", "b"])
    assert isinstance(failed.exception(), ProcessError) and given_up.cancelled()
    assert engine.close()
    assert engine.failure is sampler.broken


def test_prompts_that_cannot_be_drawn_do_not_end_the_engine() -> None:
    engine = start(BreakingSampler())
    for _ in range(3):
        assert all(future.exception() for future in fail(engine, ["bad"] * FAILURES))
    assert results(engine.submit([job("good")])) == [b"good"]
    assert engine.state == "ready"
    assert engine.close()


def test_failures_with_a_success_between_them_are_not_in_a_row() -> None:
    sampler = BreakingSampler()
    engine = start(sampler)
    fail(engine, ["bad"] * (FAILURES - 1))
    fail(engine, ["good"])
    sampler.broken = RuntimeError("for a moment")
    fail(engine, ["any"] * (FAILURES - 1))
    assert engine.state == "ready"
    assert engine.close()
