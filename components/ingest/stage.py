"""ingest: folders, tables and the web in, one data set out, bytes as they came."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from platen.artifacts.dataset import chunks, count_drops, is_done, read_drops, read_index, shard_name
from platen.components.ingest.buckets import brought, in_buckets
from platen.components.ingest.captions import with_caption
from platen.components.ingest.settings import IngestSettings
from platen.components.ingest.shards import write_shards
from platen.components.ingest.sources import ORIGINS, Source, is_readable, list_sources
from platen.core.errors import InputError
from platen.core.manifest import Json, canonical, sha256_of
from platen.core.stage import Inputs, Outcome, Place, Stage
from platen.core.telemetry import progress, track


def outside(settings: IngestSettings, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """A digest of each source: names, captions, licences, and the content of every file.

    Of what lies in a bucket it takes the checksums that the bucket has. What a URL holds is not in it: a table of URLs
    is fetched again when the table changes.
    """
    remote = {source.origin: source.digest for source in in_buckets(settings)}
    local = settings.model_copy(update=dict.fromkeys(remote))
    if remote and not any(getattr(local, origin) for origin in ORIGINS):
        return remote
    return {**local_digests(local), **remote}


def local_digests(settings: IngestSettings) -> dict[str, str]:
    """A digest of each source on this machine."""
    digests = {origin: hashlib.sha256() for origin in ORIGINS if getattr(settings, origin) is not None}
    sources = list_sources(settings)
    for source in track(sources, "reading sources", len(sources), "samples"):
        told = with_caption(source)
        content = sha256_of(source.path) if source.path and is_readable(source) else None
        entry = [told.name, told.caption, told.licence, told.refused, content]
        digests[source.origin].update(canonical(entry) + b"\n")
    return {origin: digest.hexdigest() for origin, digest in digests.items()}


def ingest(settings: IngestSettings, inputs: Inputs, place: Place) -> Outcome:
    """Take every source shard by shard; what cannot be had is dropped with its reason."""
    with brought(settings, place.outside, place.scratch / "sources") as (here, refused, copies):
        return take(settings, list_sources(here, refused, copies), place)


def take(settings: IngestSettings, sources: Sequence[Source], place: Place) -> Outcome:
    """Write the shards of those that are not written yet, and count."""
    shards = [(shard_name(number), chunk) for number, chunk in enumerate(chunks(sources, settings.shard_size))]
    todo = [(shard, chunk) for shard, chunk in shards if not is_done(place.out, shard)]
    with progress("ingesting", len(sources), "samples") as advance:
        advance(len(sources) - sum(len(chunk) for _, chunk in todo))
        asyncio.run(write_shards(todo, settings, place.out, advance))
    _refuse_nothing(settings, sources, place.out)
    rows = list(read_index(place.out))
    return Outcome(
        counts={"sources": len(sources), "samples": len(rows), "shards": len(shards)},
        dropped=count_drops(place.out),
        licences=Counter(row.licence for row in rows),
    )


def _refuse_nothing(settings: IngestSettings, sources: Sequence[Source], out: Path) -> None:
    """Raise InputError for a setting none of whose pictures came in; the next attempt then starts afresh."""
    kept = {row.key for row in read_index(out)}
    arrived = {source.origin for source in sources if (source.repeats or source.key) in kept}
    for origin in ORIGINS:
        given = getattr(settings, origin)
        if given is None or origin in arrived:
            continue
        keys = {source.key for source in sources if source.origin == origin}
        reasons = Counter(drop.reason for drop in read_drops(out) if drop.key in keys)
        counted = ", ".join(f"{reason} {number}" for reason, number in sorted(reasons.items()))
        shutil.rmtree(out)
        out.mkdir()
        raise InputError(f"{given}: none of its {len(keys)} images could be ingested ({counted})")


STAGE = Stage(
    name="ingest",
    version=2,
    kind="dataset",
    settings=IngestSettings,
    inputs={},
    work=ingest,
    outside=outside,
    resumable=True,
)
