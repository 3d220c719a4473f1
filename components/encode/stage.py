"""Encode every picture and caption of a dataset with the base model's frozen encoders.

latents/00000.npy       (samples, channels, height, width), scaled as the UNet takes them
text/00000.npy          (samples, tokens, width) embeddings, or (samples, tokens) token ids
unconditional.npy       what the empty caption encodes to, for conditioning dropout
index/00000.parquet     the rows of the shard, in the order of the arrays; written last
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from platen.components.encode.settings import EncodeSettings
from platen.dataset import Row, chunks, is_done, read_index, read_shard, shards_of, write_index
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
            if not is_done(place.out, shard):
                rows = encode_shard(encoder, dataset.path, shard, place.out, settings.batch)
                advance(len(rows))
    rows = list(read_index(place.out))
    splits = {split: sum(row.split == split for row in rows) for split in sorted({row.split for row in rows})}
    return Outcome(
        counts={"samples": len(rows)},
        licences=dataset.manifest.licences,
        facts={"text": settings.text, "resolution": dataset.manifest.facts["resolution"], "splits": splits},
    )


def encode_shard(encoder: Encoder, dataset: Path, shard: str, out: Path, batch: int) -> list[Row]:
    """Encode one shard; its index is written last."""
    import numpy as np

    rows: list[Row] = []
    latents, texts = [], []
    for samples in chunks(read_shard(dataset, shard), batch):
        rows += [sample.row for sample in samples]
        latents.append(encoder.pictures([sample.image for sample in samples]))
        texts.append(encoder.captions([sample.row.caption for sample in samples]))
    save(out / "latents" / f"{shard}.npy", np.concatenate(latents))
    save(out / "text" / f"{shard}.npy", np.concatenate(texts))
    write_index(out, shard, rows)
    return rows


def save(path: Path, array: np.ndarray) -> None:
    """Write an array whole, or not at all."""
    import numpy as np

    data = io.BytesIO()
    np.save(data, array)
    write_file(path, data.getvalue())


STAGE = Stage(
    name="encode",
    version=1,
    kind="encoded",
    settings=EncodeSettings,
    inputs=("dataset", "base"),
    work=encode,
    resumable=True,
)
