"""Samples a second of EncodedDataset against webdataset on the same latents and captions, one process, in turn.

    python -m bench.training.webdataset_loader

Both give batches of torch tensors in random order, without end: ours any sample of the whole set, webdataset by drawing
shards and shuffling what is in a buffer, which is full before the first round.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import webdataset  # pyright: ignore[reportMissingImports]  # which make bench installs

from bench.rows import Row
from bench.training.world import write_encoded
from platen.artifacts.encoded import EncodedDataset
from platen.components.train.data.order import build_order

SAMPLES, SHARDS, BATCH, BUFFER = 2000, 4, 32, 1000
BATCHES, ROUNDS = 60, 7
WIDTH = 768
PARTS = {"latents": "latents.npy", "prompt_embeds": "text.npy"}


def main() -> None:
    """Print the row: the median of some rounds each."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        write_encoded(folder, SAMPLES, SHARDS, WIDTH, "float16")
        ways = {"EncodedDataset": ours(folder), "webdataset": theirs(write_tars(folder))}
        rates = {way: median(found) for way, found in measure(ways).items()}
    Row(
        row="samples read a second, against webdataset on the same latents",
        ratio=rates["EncodedDataset"] / rates["webdataset"],
        bar=">= 3",
        parts={f"{way}, samples/s": rate for way, rate in rates.items()},
        how=(
            f"{SAMPLES} samples in {SHARDS} shards, latents 4 × 32 × 32 and captions 77 × {WIDTH}, float16, in the "
            f"page cache; batches of {BATCH} as torch tensors; one process, one thread; webdataset "
            f"{webdataset.__version__}: a tar with two .npy a sample, shuffle buffer of {BUFFER}, decode, batched; "
            f"{ROUNDS} rounds of {BATCHES} batches each in turn, median"
        ),
    ).tell()


def measure(ways: dict[str, Iterator[Any]]) -> dict[str, list[float]]:
    """Samples a second of each round; what is opened or filled before the first batch is not counted."""
    torch.set_num_threads(1)
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for batches in ways.values():
        check(next(batches))
    for _ in range(ROUNDS):
        for way, batches in ways.items():
            started = time.perf_counter()
            count = sum(len(latents) for latents, _ in islice(batches, BATCHES))
            rates[way].append(count / (time.perf_counter() - started))
    return rates


def check(batch: Any) -> None:
    """End where a way does not give what it is measured for."""
    shapes = [tuple(tensor.shape) for tensor in batch]
    if shapes != [(BATCH, 4, 32, 32), (BATCH, 77, WIDTH)] or batch[0].dtype != torch.float16:
        raise SystemExit(f"a batch has shapes {shapes}; nothing was measured")


def ours(folder: Path) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches as the trainer reads them, without end."""
    data = EncodedDataset(folder)
    order, step = build_order(data, {}, BATCH, seed=0), 0
    while True:
        arrays: Any = data.read(order.batch(step))
        yield torch.from_numpy(arrays["latents"]), torch.from_numpy(arrays["prompt_embeds"])
        step += 1


def theirs(pattern: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of webdataset, without end; each array is decoded once and copied once, into its batch."""
    shards = webdataset.WebDataset(pattern, resampled=True, shardshuffle=False)
    samples = shards.shuffle(BUFFER, initial=BUFFER).decode()
    yield from samples.to_tuple(*PARTS.values()).batched(BATCH, collation_fn=collate, partial=False)


def collate(samples: list[tuple[np.ndarray, np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of tensors."""
    latents, text = zip(*samples, strict=True)
    return torch.from_numpy(np.stack(latents)), torch.from_numpy(np.stack(text))


def write_tars(folder: Path) -> str:
    """The same samples as webdataset shards; their pattern."""
    for shard in range(SHARDS):
        arrays = {name: np.load(folder / part / f"{shard:05d}.npy") for part, name in PARTS.items()}
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as tar:
            for place in range(SAMPLES // SHARDS):
                for name, array in arrays.items():
                    add(tar, f"{shard:05d}{place:06d}.{name}", lambda file, row=array[place]: np.save(file, row))
    return str(folder / f"{{00000..{SHARDS - 1:05d}}}.tar")


def add(tar: tarfile.TarFile, name: str, write: Callable[[io.BytesIO], None]) -> None:
    """A member with what is written into it."""
    data = io.BytesIO()
    write(data)
    info = tarfile.TarInfo(name)
    info.size = data.tell()
    data.seek(0)
    tar.addfile(info, data)


if __name__ == "__main__":
    main()
