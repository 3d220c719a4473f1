"""Fetching URLs, each refusal in the place of its body."""

from __future__ import annotations

import asyncio
from typing import Any

from platen.components.ingest.fetch import open_fetcher
from platen.components.ingest.network import Resolve, resolve_host
from platen.components.ingest.refused import Refused
from platen.components.ingest.settings import IngestSettings

BODY = b"\x89PNG\r\n picture"


def fetch_all(urls: list[str], resolve: Resolve = resolve_host, **chosen: Any) -> list[bytes | Refused]:
    """Bodies or refusals, in order, from one fetcher."""
    settings = IngestSettings(**{"deadline": 5.0, **chosen})

    async def run() -> list[bytes | Refused]:
        async with open_fetcher(settings, resolve) as fetcher:
            waited = (fetcher.fetch(url) for url in urls)
            return await asyncio.gather(*waited, return_exceptions=True)  # type: ignore[return-value]

    return asyncio.run(run())


def reason(url: str, resolve: Resolve = resolve_host, **chosen: Any) -> str:
    """The reason for which a URL is refused."""
    [found] = fetch_all([url], resolve, **chosen)
    assert isinstance(found, Refused), found
    return found.reason
