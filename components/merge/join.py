"""Which samples all stages kept, and what became of the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from platen.artifacts.dataset import Drop, Row, read_rows, read_shard_drops
from platen.core.errors import CorruptError, InputError
from platen.core.stage import Folder, Inputs

# Where a sample was dropped by both, the first of these tells why.
PRECEDENCE = ("texts", "images")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sample that every stage kept, as far as duplicates are told by it.

    Attributes:
        key, source: Of the sample.
        caption: As cleaned.
        shard: Where it lies.
        position: In the shard's index of `images`.
        sha256: Of the bytes as they came.
        phash: 64-bit perceptual hash.
        aspect: Width over height as it came, upright.
    """

    key: str
    source: str
    caption: str
    shard: str
    position: int
    sha256: str
    phash: int
    aspect: float


def check_same_source(inputs: Inputs) -> None:
    """Raise InputError where texts or images were not made from this very data set."""
    wanted = inputs["dataset"].digest
    for name in ("texts", "images"):
        made_from = inputs[name].manifest.inputs.get("dataset")
        if made_from is None or made_from.digest != wanted:
            found = made_from.digest[:12] if made_from else "no data set"
            raise InputError(
                f"{inputs[name].uri}: made from {found}, but the input dataset is {inputs['dataset'].uri} "
                f"({wanted[:12]}). Accepted: texts and images that were cleaned from that one data set"
            )


def join_shard(inputs: Inputs, shard: str) -> tuple[list[Candidate], list[Drop]]:
    """The samples of a shard that all kept, and one drop for each of the others; both in the order of keys.

    What ingest dropped never was a sample: a picture that is listed twice has the key of the one that was kept.

    Raises CorruptError for a sample that a stage neither kept nor dropped.
    """
    refused = read_shard_drops(inputs["dataset"].path, shard)
    dropped = first_drops(drop for name in PRECEDENCE for drop in read_shard_drops(inputs[name].path, shard))
    texts = {row.key: row for row in read_rows(inputs["texts"].path, shard)}
    images = {row.key: (number, row) for number, row in enumerate(read_rows(inputs["images"].path, shard))}
    candidates = []
    for row in sorted(read_rows(inputs["dataset"].path, shard), key=lambda row: row.key):
        if row.key in dropped:
            continue
        for name, kept in (("texts", texts), ("images", images)):
            _check_kept(inputs[name], kept, row)
        candidates.append(_candidate(row, texts[row.key].caption, shard, *images[row.key]))
    return candidates, sorted([*refused, *dropped.values()], key=lambda drop: drop.key)


def first_drops(drops: Iterable[Drop]) -> dict[str, Drop]:
    """The first drop of each key."""
    found: dict[str, Drop] = {}
    for drop in drops:
        found.setdefault(drop.key, drop)
    return found


def _check_kept(folder: Folder, kept: Iterable[str], row: Row) -> None:
    if row.key not in kept:
        raise CorruptError(f"{folder.uri}: the sample {row.key} ({row.source}) was neither kept nor dropped there")


def _candidate(row: Row, caption: str, shard: str, position: int, image: Row) -> Candidate:
    try:
        aspect = image.scores["original_width"] / image.scores["original_height"]
        phash = int(image.phash, 16)
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise CorruptError(f"{shard}, {row.key}: the index of images lacks a score or a perceptual hash") from error
    return Candidate(row.key, row.source, caption, shard, position, row.sha256, phash, aspect)
