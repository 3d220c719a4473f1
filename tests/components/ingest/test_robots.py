"""Which hosts' rules are remembered."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx

from platen.components.ingest.robots import MOST_HOSTS, Robots


def test_the_hosts_that_were_asked_last_are_remembered_and_no_more() -> None:
    asked: Counter[str] = Counter()

    async def get(url: str) -> bytes:
        asked[url] += 1
        return b""

    async def run() -> int:
        robots = Robots(get, "platen/1.0")
        for number in range(MOST_HOSTS + 1):
            await robots.check(httpx.URL(f"http://h{number}.example/a.png"))
            await robots.check(httpx.URL("http://h0.example/b.png"))  # in use, so it stays
        await robots.check(httpx.URL("http://h1.example/c.png"))
        return len(robots._asked)

    assert asyncio.run(run()) == MOST_HOSTS
    assert asked["http://h0.example/robots.txt"] == 1
    assert asked["http://h1.example/robots.txt"] == 2
