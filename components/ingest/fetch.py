"""Fetching pictures over HTTP from hosts that nobody vouches for."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

from platen import __version__
from platen.components.ingest.network import PinnedBackend, Resolve, resolve_host
from platen.components.ingest.refused import Refused
from platen.components.ingest.robots import Robots
from platen.components.ingest.settings import IngestSettings

if TYPE_CHECKING:
    import httpcore
    import httpx

SCHEMES = ("http", "https")
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5
FIRST_PAUSE = 0.25  # seconds before the second attempt; doubles each time
ROBOTS_BYTES = 512_000  # RFC 9309, 2.5 asks for 500 KiB at least
KEEP_IDLE = 10.0  # seconds


class Fetcher:
    """Fetches URLs; connections are kept and used again."""

    def __init__(self, settings: IngestSettings, pool: httpcore.AsyncConnectionPool) -> None:
        self._settings = settings
        self._pool = pool
        self._at_once = asyncio.Semaphore(settings.concurrency)
        # Not a default of the setting: a new version of platen must not change what the fingerprint says.
        self._user_agent = settings.user_agent or f"platen/{__version__}"
        self._robots = Robots(self._get_robots, self._user_agent) if settings.robots else None

    async def fetch(self, url: str) -> bytes:
        """The body of a URL, at most `max_bytes`.

        Raises:
            Refused: http_error, body_too_large, address_refused, robots_refused, timed_out or connection_failed.
        """
        async with self._at_once:
            get = partial(self._follow, url, self._settings.max_bytes, self._robots)
            return await self._in_time(get, self._settings.deadline)

    async def _get_robots(self, url: str) -> bytes:
        # Half the time, so that the reason is the same for the first URL of a host as for the others.
        return await self._in_time(partial(self._follow, url, ROBOTS_BYTES, None), self._settings.deadline / 2)

    async def _in_time(self, get: Callable[[], Awaitable[bytes]], seconds: float) -> bytes:
        try:
            async with asyncio.timeout(seconds) as limit:
                return await self._again(get, cast(float, limit.when()))
        except TimeoutError:
            raise Refused("timed_out", f"not done after {seconds:g} s") from None

    async def _again(self, get: Callable[[], Awaitable[bytes]], until: float) -> bytes:
        """Try again after what may pass, while there is time: then the reason is the fault and not the deadline."""
        pause = FIRST_PAUSE
        for _ in range(self._settings.retries):
            try:
                return await get()
            except Refused as error:
                if not error.again or asyncio.get_running_loop().time() + pause >= until:
                    raise
            await asyncio.sleep(pause)
            pause *= 2
        return await get()

    async def _follow(self, address: str, most: int, robots: Robots | None) -> bytes:
        """Follow redirects by hand: each hop is checked like the first."""
        for _ in range(MOST_REDIRECTS + 1):
            url = checked_url(address)
            if robots is not None:
                await robots.check(url)
            answer = await self._get(url, most)
            if isinstance(answer, bytes):
                return answer
            address = answer
        raise Refused("http_error", f"more than {MOST_REDIRECTS} redirects")

    async def _get(self, url: httpx.URL, most: int) -> bytes | str:
        """The body, or the address that the answer leads on to."""
        import httpcore

        headers = [
            (b"Host", url.netloc),
            (b"User-Agent", self._user_agent.encode()),
            (b"Accept", b"image/*, */*;q=0.5"),
            (b"Accept-Encoding", b"identity"),
        ]
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        extensions = {"timeout": {"connect": self._settings.connect_timeout}}
        try:
            async with self._pool.stream("GET", target, headers=headers, extensions=extensions) as answer:
                return await _read(answer, url, most)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise Refused("connection_failed", f"{url.host}: {type(error).__name__}", again=True) from error


@asynccontextmanager
async def open_fetcher(settings: IngestSettings, resolve: Resolve = resolve_host) -> AsyncIterator[Fetcher]:
    """A fetcher with its pool of connections. It knows no proxy, no cookies and no credentials."""
    import httpcore
    import httpx

    backend = PinnedBackend(settings.allow_hosts, resolve)
    pool = httpcore.AsyncConnectionPool(
        ssl_context=httpx.create_ssl_context(),
        max_connections=settings.concurrency,
        keepalive_expiry=KEEP_IDLE,
        network_backend=cast("httpcore.AsyncNetworkBackend", backend),  # has its methods; a base class is imported
    )
    async with pool:
        yield Fetcher(settings, pool)


def checked_url(address: str) -> httpx.URL:
    """A URL that may be asked for. Raises Refused for another scheme, no host, or what is no URL."""
    import httpx

    try:
        url = httpx.URL(address)
        host = url.host  # only here is a name in Punycode decoded, and found to be none
    except (httpx.InvalidURL, ValueError) as error:
        raise Refused("address_refused", f"not a URL: {error}") from None
    if url.scheme not in SCHEMES:
        raise Refused("address_refused", f"scheme {url.scheme!r}; only http and https are fetched")
    if not host or not 0 < (url.port or 80) < 65536:
        raise Refused("address_refused", f"{url.netloc.decode()!r} is no host")
    return url


async def _read(answer: httpcore.Response, url: httpx.URL, most: int) -> bytes | str:
    headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    if answer.status in REDIRECTS and "location" in headers:
        return _joined(url, headers["location"])
    if answer.status != 200:
        again = answer.status == 429 or answer.status >= 500
        raise Refused("http_error", f"HTTP {answer.status}", again=again, status=answer.status)
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise Refused("body_too_large", f"announced as {length} bytes; the cap is {most}")
    unpack = _unpacker(headers.get("content-encoding", "identity").strip().lower())
    body = bytearray()
    async for chunk in answer.aiter_stream():
        body += unpack(chunk, most + 1 - len(body))
        if len(body) > most:
            raise Refused("body_too_large", f"more than {most} bytes")
    return bytes(body)


def _joined(url: httpx.URL, location: str) -> str:
    import httpx

    try:
        return str(url.join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise Refused("address_refused", f"redirect to what is not a URL: {error}") from None


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """A function of (bytes, most bytes to return). Identity was asked for; some servers compress all the same."""
    if encoding in ("", "identity"):
        return lambda data, _: data
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Refused("http_error", f"Content-Encoding {encoding!r}, though identity was asked for")
    packed = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # reads the header of gzip and of zlib

    def unpack(data: bytes, most: int) -> bytes:
        try:
            return packed.decompress(data, most)
        except zlib.error as error:
            raise Refused("http_error", f"body is not {encoding}") from error

    return unpack
