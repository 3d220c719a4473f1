"""From sources to shards: read or fetch, take or drop, write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path, PurePosixPath

from platen.artifacts.dataset import Drop, Row, Sample, write_shard
from platen.components.ingest.captions import with_caption
from platen.components.ingest.fetch import open_fetcher
from platen.components.ingest.refused import Refused
from platen.components.ingest.settings import IngestSettings
from platen.components.ingest.sources import Source, is_readable
from platen.core.manifest import sha256
from platen.core.telemetry import Advance

SHARDS_AT_ONCE = 2  # while the last URLs of one shard run into their deadline, the next one is under way
Todo = tuple[str, Sequence[Source]]
Fetch = Callable[[str], Awaitable[bytes]]

MAGIC = (
    (b"\x89PNG\r\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\x00", "tif"),
    (b"MM\x00*", "tif"),
)
NAMED = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp"}


async def write_shards(todo: Sequence[Todo], settings: IngestSettings, out: Path, advance: Advance) -> None:
    """Write shards, a few at a time; what is in them does not depend on what arrives when."""
    async with AsyncExitStack() as stack:
        fetch: Fetch = _fetch_nothing
        if any(source.path is None for _, sources in todo for source in sources):
            fetch = (await stack.enter_async_context(open_fetcher(settings))).fetch
        remaining = iter(todo)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(SHARDS_AT_ONCE):
                    group.create_task(_write_next(remaining, settings, fetch, out, advance))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None


async def _write_next(
    remaining: Iterator[Todo], settings: IngestSettings, fetch: Fetch, out: Path, advance: Advance
) -> None:
    for shard, sources in remaining:
        # Disk work in a thread: it must not eat the deadlines of the URLs that are under way.
        local = await asyncio.to_thread(_take_all_local, sources, settings)
        waited = (_take(source, ready, settings, fetch) for source, ready in zip(sources, local, strict=True))
        taken = await asyncio.gather(*waited)
        samples = [item for item in taken if isinstance(item, Sample)]
        drops = [item for item in taken if isinstance(item, Drop)]
        await asyncio.to_thread(write_shard, out, shard, samples, drops)
        advance(len(sources))


async def _fetch_nothing(url: str) -> bytes:
    raise Refused("address_refused", f"{url}: not among the sources")


def _take_all_local(sources: Sequence[Source], settings: IngestSettings) -> list[Sample | Drop | None]:
    return [_take_local(source, settings) for source in sources]


def _take_local(source: Source, settings: IngestSettings) -> Sample | Drop | None:
    """A sample or a drop without the network; None for what has to be fetched."""
    source = with_caption(source)
    try:
        if source.refused:
            raise Refused(*source.refused)
        if source.caption is None:
            raise Refused("missing_caption", "no table, .txt or .json has one")
        return None if source.path is None else _sample(source, read_picture(source, settings.max_bytes), settings)
    except Refused as refused:
        return _drop(source, refused)


async def _take(source: Source, ready: Sample | Drop | None, settings: IngestSettings, fetch: Fetch) -> Sample | Drop:
    if ready is not None:
        return ready
    try:
        return _sample(source, await fetch(source.name), settings)
    except Refused as refused:
        return _drop(source, refused)


def read_picture(source: Source, most: int) -> bytes:
    """The bytes of a picture file. Raises Refused where there is none, or it is larger than the cap."""
    if source.path is None or not is_readable(source):
        raise Refused("missing_file", "no file that may be read")
    size = source.path.stat().st_size
    if size > most:
        raise Refused("body_too_large", f"{size} bytes; the cap is {most}")
    return source.path.read_bytes()


def extension_of(name: str, image: bytes) -> str:
    """The extension of a picture's member in the shard: by its first bytes, else by its name, else bin."""
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "webp"
    found = next((extension for magic, extension in MAGIC if image.startswith(magic)), None)
    return found or NAMED.get(PurePosixPath(name.partition("?")[0]).suffix.lower(), "bin")


def _sample(source: Source, image: bytes, settings: IngestSettings) -> Sample:
    row = Row(
        key=source.key,
        caption=source.caption or "",
        extension=extension_of(source.name, image),
        sha256=sha256(image),
        source=source.name,
        licence=source.licence or settings.licence,
    )
    return Sample(row, image)


def _drop(source: Source, refused: Refused) -> Drop:
    return Drop(source.key, refused.reason, refused.detail, source.name, source.caption or "")
