"""Encode every picture and caption of a dataset with the base model's frozen encoders.

latents/00000.npy       (samples, channels, height, width), scaled as the UNet takes them
text/00000.npy          (samples, tokens, width) embeddings, or (samples, tokens) token ids
unconditional.npy       what the empty caption encodes to, for conditioning dropout
index/00000.parquet     the rows of the shard, in the order of the arrays; written last

Where the pictures of a shard have several sizes, there is a shard for each: 00000-512x768, width first.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platen.components.encode.settings import EncodeSettings
from platen.dataset import (
    Row,
    Sample,
    chunks,
    count_sizes,
    is_done,
    read_index,
    read_rows,
    read_shard,
    shards_of,
    write_index,
)
from platen.stage import Inputs, Outcome, Place, Stage
from platen.storage import write_file
from platen.telemetry import progress

if TYPE_CHECKING:
    import numpy as np

    from platen.components.encode.encoder import Encoder


def encode(settings: EncodeSettings, inputs: Inputs, place: Place) -> Outcome:
    """Encode shard by shard; a shard that is there already is left as it is."""
    from platen.components.encode.encoder import Encoder

    dataset = inputs["dataset"]
    encoder = Encoder(inputs["base"].path, settings)
    save(place.out / "unconditional.npy", encoder.captions([""]))
    with progress("encode", dataset.manifest.counts["samples"], "pictures") as advance:
        for shard in shards_of(dataset.path):
            encode_shard(encoder, dataset.path, shard, place.out, settings.batch)
            advance(len(read_rows(dataset.path, shard)))
    rows = list(read_index(place.out))
    splits = {split: sum(row.split == split for row in rows) for split in sorted({row.split for row in rows})}
    return Outcome(
        counts={"samples": len(rows)},
        licences=dataset.manifest.licences,
        facts={
            "text": settings.text,
            "resolution": dataset.manifest.facts["resolution"],
            "splits": splits,
            "sizes": count_sizes(rows),
        },
    )


def encode_shard(encoder: Encoder, dataset: Path, shard: str, out: Path, batch: int) -> None:
    """Encode what is not there yet of a shard, the pictures of one size together."""
    parts = parts_of(shard, read_rows(dataset, shard))
    missing = {part: rows for part, rows in parts.items() if not is_done(out, part)}
    pictures = {sample.row.key: sample.image for sample in read_shard(dataset, shard)} if missing else {}
    for part, rows in missing.items():
        encode_part(encoder, [Sample(row, pictures[row.key]) for row in rows], out, part, batch)


def parts_of(shard: str, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """What a shard becomes: the rows of each size of picture, by the name of their shard of arrays."""
    found: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        found.setdefault((row.width, row.height), []).append(row)
    if len(found) == 1:
        return {shard: list(rows)}
    return {f"{shard}-{width}x{height}": found[width, height] for width, height in sorted(found)}


def encode_part(encoder: Encoder, samples: Sequence[Sample], out: Path, part: str, batch: int) -> None:
    """Encode samples of one size to a shard of arrays; its index is written last."""
    import numpy as np

    latents, texts = [], []
    for chunk in chunks(samples, batch):
        latents.append(encoder.pictures([sample.image for sample in chunk]))
        texts.append(encoder.captions([sample.row.caption for sample in chunk]))
    save(out / "latents" / f"{part}.npy", np.concatenate(latents))
    save(out / "text" / f"{part}.npy", np.concatenate(texts))
    write_index(out, part, [sample.row for sample in samples])


def save(path: Path, array: np.ndarray) -> None:
    """Write an array whole, or not at all."""
    import numpy as np

    data = io.BytesIO()
    np.save(data, array)
    write_file(path, data.getvalue())


STAGE = Stage(
    name="encode",
    version=3,
    kind="encoded",
    settings=EncodeSettings,
    inputs=("dataset", "base"),
    work=encode,
    resumable=True,
)
