"""merge: what was kept on both sides, once each, divided, with an account of everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from platen.artifacts.dataset import Drop, Sample, is_done, read_rows, read_shard, shards_of, write_shard
from platen.artifacts.metadata import DatasetMetadata
from platen.components.merge.card import CARD, make_card
from platen.components.merge.duplicates import exact_duplicates, near_duplicates
from platen.components.merge.examples import choose, write_examples
from platen.components.merge.join import Candidate, check_same_source, join_shard
from platen.components.merge.settings import MergeSettings
from platen.components.merge.split import split_of
from platen.components.merge.thumbnails import Thumbnails
from platen.core.errors import InputError
from platen.core.manifest import canonical
from platen.core.stage import Inputs, Outcome, Place, Stage
from platen.core.storage import write_file
from platen.core.telemetry import log, track

REMEDIES = {
    "missing_caption": "put a caption file beside each image, or set ingest.table to a table of captions",
    "too_small": "lower clean_images.min_side",
    "too_large": "raise clean_images.max_pixels",
    "blank_image": "lower clean_images.min_contrast",
    "wrong_language": "add the captions' language to clean_text.languages",
    "caption_too_short": "lower clean_text.min_words",
    "caption_too_long": "raise clean_text.max_words",
    "timed_out": "raise ingest.deadline",
    "body_too_large": "raise ingest.max_bytes",
    "address_refused": "add the host to ingest.allow_hosts",
    "near_duplicate": "lower merge.near_duplicate_rms",
}


@dataclass(frozen=True, slots=True)
class Shard:
    """What is decided of a shard: the keys that stay, and why the others do not."""

    name: str
    kept: frozenset[str]
    drops: tuple[Drop, ...]


def merge(settings: MergeSettings, inputs: Inputs, place: Place) -> Outcome:
    """Decide from the indices alone, then write shard by shard; finished shards are left as they are."""
    check_same_source(inputs)
    shards = decide(settings, inputs)
    dropped = Counter(drop.reason for shard in shards for drop in shard.drops)
    if not any(shard.kept for shard in shards):
        raise InputError(nothing_left(dropped))
    for shard in track(shards, "merging", len(shards), "shards"):
        if not is_done(place.out, shard.name):
            write_shard(place.out, shard.name, merged_samples(settings, inputs, shard), shard.drops)
    chosen = choose((shard.name, drop) for shard in shards for drop in shard.drops)
    write_examples(inputs["dataset"].path, chosen, place.out / "examples")
    resolution = DatasetMetadata.of(inputs["images"]).resolution
    card = make_card(place.out, resolution)
    write_file(place.out / CARD, canonical(card, indent=1) + b"\n")
    return Outcome(
        counts={"samples": card["samples"], "seen": card["samples"] + dropped.total(), "shards": len(shards)},
        dropped=dropped,
        licences=card["licences"],
        facts=DatasetMetadata(resolution=resolution, splits=card["splits"]).facts(),
    )


def decide(settings: MergeSettings, inputs: Inputs) -> list[Shard]:
    """For every sample that ingest saw: kept, or dropped for one reason."""
    joined = {shard: join_shard(inputs, shard) for shard in shards_of(inputs["dataset"].path)}
    candidates = sorted((one for found, _ in joined.values() for one in found), key=lambda one: one.key)
    duplicates = {drop.key: drop for drop in find_duplicates(settings, inputs, candidates)}
    return [_decided(name, found, drops, duplicates) for name, (found, drops) in joined.items()]


def find_duplicates(settings: MergeSettings, inputs: Inputs, candidates: Sequence[Candidate]) -> list[Drop]:
    """Exact duplicates, then near ones among the rest."""
    exact = exact_duplicates(candidates)
    gone = {drop.key for drop in exact}
    rest = [candidate for candidate in candidates if candidate.key not in gone]
    thumbnails = Thumbnails(inputs["images"].path)
    near = near_duplicates(rest, thumbnails, settings.max_distance, settings.near_duplicate_rms)
    log.info("%d exact and %d near duplicates among %d images", len(exact), len(near), len(candidates))
    return [*exact, *near]


def merged_samples(settings: MergeSettings, inputs: Inputs, shard: Shard) -> list[Sample]:
    """The pictures of a shard that stay, with their cleaned captions, all scores, and their split."""
    texts = {row.key: row for row in read_rows(inputs["texts"].path, shard.name)}
    samples = []
    for sample in read_shard(inputs["images"].path, shard.name):
        row = sample.row
        if row.key in shard.kept:
            text = texts[row.key]
            scores = dict(sorted({**row.scores, **text.scores}.items()))
            whole = replace(row, caption=text.caption, split=split_of(row.key, settings.split).value, scores=scores)
            samples.append(replace(sample, row=whole))
    return samples


def nothing_left(dropped: Mapping[str, int]) -> str:
    """What to tell the user when every sample was dropped: the counts, and what to change for the commonest one."""
    counted = ", ".join(f"{reason} {number}" for reason, number in sorted(dropped.items()))
    commonest = max(sorted(dropped), key=lambda reason: dropped[reason], default="")
    remedy = REMEDIES.get(commonest, "use images that can be opened, each with a caption")
    return f"no samples left: all {sum(dropped.values())} were dropped ({counted}). Try: {remedy}"


def _decided(name: str, found: Sequence[Candidate], drops: Sequence[Drop], duplicates: Mapping[str, Drop]) -> Shard:
    kept = frozenset(one.key for one in found if one.key not in duplicates)
    twice = [duplicates[one.key] for one in found if one.key in duplicates]
    return Shard(name, kept, tuple(sorted([*drops, *twice], key=lambda drop: drop.key)))


STAGE = Stage(
    name="merge",
    version=3,
    kind="dataset",
    settings=MergeSettings,
    inputs={"dataset": "dataset", "texts": "dataset", "images": "dataset"},
    work=merge,
    resumable=True,
)
