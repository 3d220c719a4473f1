"""Encode every image and caption of a dataset with the base model's frozen encoders; see platen/artifacts/encoded.py.

If the images of a shard have several sizes, there is a shard for each: 00000-512x768, width first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platen.artifacts.dataset import (
    Row,
    Sample,
    chunks,
    count_sizes,
    is_done,
    read_index,
    read_rows,
    read_shard,
    shards_of,
)
from platen.artifacts.encoded import LATENTS, EncodedRecord, describe_arrays, write_empty_caption, write_shard
from platen.artifacts.metadata import DatasetMetadata, EncodedMetadata
from platen.components.encode.settings import EncodeSettings
from platen.core.stage import Inputs, Outcome, Place, Stage
from platen.core.telemetry import progress
from platen.families.registry import family_of
from platen.families.truncation import count_truncated

if TYPE_CHECKING:
    import numpy as np

    from platen.components.encode.encoder import Encoder


def encode(settings: EncodeSettings, inputs: Inputs, place: Place) -> Outcome:
    """Encode shard by shard; a shard that is there already is left as it is."""
    from platen.components.encode.encoder import Encoder

    dataset, base = inputs["dataset"], inputs["base"].path
    family, resolution = family_of(base), DatasetMetadata.of(dataset).resolution
    encoder, varying = Encoder(family, base, settings), family.variable_length
    captions = (row.caption for row in read_index(dataset.path))
    encoders = encoder.encoders
    truncated = count_truncated(captions, encoders.count_tokens, encoders.max_tokens, "captions")
    empty = encoder.encode_captions([""])
    write_empty_caption(place.out, {name: arrays[0] for name, arrays in empty.items()})
    with progress("encode", dataset.manifest.counts["samples"], "images") as advance:
        for shard in shards_of(dataset.path):
            encode_shard(encoder, dataset.path, shard, place.out, settings.batch, varying)
            advance(len(read_rows(dataset.path, shard)))
    EncodedRecord(
        family=family.name,
        text=settings.text,
        max_tokens=encoder.encoders.max_tokens,
        resolution=resolution,
        arrays=describe_arrays(place.out, varying),
    ).write(place.out)
    rows = list(read_index(place.out))
    splits = {split: sum(row.split == split for row in rows) for split in sorted({row.split for row in rows})}
    metadata = EncodedMetadata(
        family=family.name, text=settings.text, resolution=resolution, splits=splits, sizes=count_sizes(rows)
    )
    return Outcome(
        counts={"samples": len(rows), "truncated_captions": truncated},
        licences=dataset.manifest.licences,
        facts=metadata.facts(),
    )


def encode_shard(encoder: Encoder, dataset: Path, shard: str, out: Path, batch: int, varying: frozenset[str]) -> None:
    """Encode what is not there yet of a shard, the images of one size together."""
    parts = parts_of(shard, read_rows(dataset, shard))
    missing = {part: rows for part, rows in parts.items() if not is_done(out, part)}
    images = {sample.row.key: sample.image for sample in read_shard(dataset, shard)} if missing else {}
    for part, rows in missing.items():
        samples = [Sample(row, images[row.key]) for row in rows]
        write_shard(out, part, encode_samples(encoder, samples, batch), rows, varying)


def parts_of(shard: str, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Sort the rows of a shard by the size of their images: those of each, by the name of their shard of arrays."""
    found: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        found.setdefault((row.width, row.height), []).append(row)
    if len(found) == 1:
        return {shard: list(rows)}
    return {f"{shard}-{width}x{height}": found[width, height] for width, height in sorted(found)}


def encode_samples(encoder: Encoder, samples: Sequence[Sample], batch: int) -> dict[str, list[np.ndarray]]:
    """Encode samples of one size: for each name an array per sample."""
    arrays: dict[str, list[np.ndarray]] = {LATENTS: []}
    for chunk in chunks(samples, batch):
        arrays[LATENTS] += encoder.encode_images([sample.image for sample in chunk])
        for name, found in encoder.encode_captions([sample.row.caption for sample in chunk]).items():
            arrays.setdefault(name, []).extend(found)
    return arrays


STAGE = Stage(
    name="encode",
    version=4,
    kind="encoded",
    settings=EncodeSettings,
    inputs={"dataset": "dataset", "base": "model"},
    work=encode,
    resumable=True,
)
