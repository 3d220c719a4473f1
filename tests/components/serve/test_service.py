from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest

from platen.components.serve.app import create_app
from platen.components.serve.engine import BrokenError, Engine, Job
from platen.components.serve.metrics import Metrics
from platen.components.serve.protocol import Limits
from platen.components.serve.server import finish
from platen.components.serve.service import Service
from platen.components.serve.settings import ServeSettings


class HeldSampler:
    """Draws nothing until it is let go, and then raises `fault` where there is one."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.fault: Exception | None = None

    def warm_up(self) -> None:
        """Nothing to do."""

    def draw(self, jobs: Sequence[Job], on_step: Callable[[], None]) -> list[bytes]:
        """The prompt, as bytes."""
        assert self.let_go.wait(30)
        on_step()
        if self.fault:
            raise self.fault
        return [job.prompt.encode() for job in jobs]


@pytest.fixture
def sampler() -> HeldSampler:
    return HeldSampler()


@pytest.fixture
def service(sampler: HeldSampler) -> Iterator[Service]:
    """A service of that sampler, with no time to wait for a picture."""
    metrics = Metrics("platen", "0" * 64)
    engine = Engine(lambda: sampler, metrics, queue=8)
    limits = Limits("platen", (64, 64), 8, 4, 1, 10, 2.0, 100, 100, len)
    engine.start()
    yield Service(ServeSettings(deadline=0.2), "0" * 64, engine, metrics, log=None, limits=limits)
    sampler.let_go.set()
    engine.close()


def ask(service: Service, meanwhile: Callable[[], object], count: int = 1) -> tuple[list[int], list[dict[str, Any]]]:
    """The statuses of requests sent together, and what asyncio complained of, `meanwhile` called while they wait."""
    complaints: list[dict[str, Any]] = []

    async def send() -> list[int]:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            body = {"prompt": "a red circle", "n": 2}
            asked = [asyncio.create_task(client.post("/v1/images/generations", json=body)) for _ in range(count)]
            await asyncio.sleep(0.1)
            meanwhile()
            statuses = [(await one).status_code for one in asked]
        await asyncio.sleep(0.1)
        gc.collect()  # a future complains when it goes
        return statuses

    return asyncio.run(send()), complaints


def test_a_request_that_times_out_leaves_no_complaint(service: Service) -> None:
    assert ask(service, lambda: None) == ([504], [])


def test_a_lost_device_fails_its_request_and_gives_up_those_that_wait(service: Service, sampler: HeldSampler) -> None:
    service.settings = service.settings.model_copy(update={"deadline": 30.0})
    sampler.fault = BrokenError("CUDA error: device-side assert triggered")
    assert ask(service, sampler.let_go.set, count=2) == ([500, 503], [])
    with pytest.raises(BrokenError, match="device-side assert"):
        finish(service)
    assert service.engine.state == "failed"
