"""Connections go to the addresses that were checked, and to no other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from platen.components.ingest.fetch import open_fetcher
from platen.components.ingest.refused import Refused
from platen.components.ingest.settings import IngestSettings
from tests.components.ingest.fetching import BODY, fetch_all, reason


class Sockets:
    """Stands for the network: notes where connections go, and sends them to this machine's test server."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.went_to: list[str] = []

    async def connect_tcp(self, address: str, *more: Any) -> Any:
        self.went_to.append(address)
        return await self.real.connect_tcp("127.0.0.1", *more)


def test_a_name_that_turns_private_after_the_check_is_not_reached(site) -> None:
    site.routes["/a.png"] = (200, {"Connection": "close"}, BODY)  # so that the second URL needs a connection of its own
    answers = [["93.184.215.14"], ["127.0.0.1"]]
    url = f"http://rebinds.example:{site.port}/a.png"

    async def resolve(host: str, port: int) -> list[str]:
        return answers.pop(0)

    async def run() -> tuple[bytes, Refused, list[str]]:
        settings = IngestSettings(robots=False, deadline=5)
        async with open_fetcher(settings, resolve) as fetcher:
            backend: Any = fetcher._pool._network_backend
            backend._sockets = sockets = Sockets(backend._sockets)
            first = await fetcher.fetch(url)
            with pytest.raises(Refused) as second:
                await fetcher.fetch(url)
            return first, second.value, sockets.went_to

    first, second, went_to = asyncio.run(run())
    assert first == BODY
    assert went_to == ["93.184.215.14"]  # what was checked, and nothing was resolved in between
    assert second.reason == "address_refused"
    assert site.headers[0]["Host"] == f"rebinds.example:{site.port}"


def test_one_private_address_among_public_ones_refuses_the_host(site) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "127.0.0.1"]

    assert reason(f"http://both.example:{site.port}/a.png", resolve) == "address_refused"


def test_the_next_address_is_tried_when_one_does_not_answer(site) -> None:
    site.routes["/a.png"] = (200, {}, BODY)

    async def resolve(host: str, port: int) -> list[str]:
        return ["::1", "127.0.0.1"]  # the server listens on the second one only

    assert fetch_all([site.url("/a.png")], resolve, allow_hosts=[site.host]) == [BODY]


def test_a_host_that_does_not_resolve_or_answer_is_a_failed_connection() -> None:
    assert reason("http://no-such-host.invalid/a.png", retries=0) == "connection_failed"
    assert reason("http://localhost:1/a.png", allow_hosts=["localhost:1"], retries=0) == "connection_failed"
