"""Which samples a step trains on.

The order is a function of (seed, step, global batch) alone: to resume, nothing but the step is needed, and any number
of ranks and any micro-batch see the same global batches.

Samples of one shape and one source are a stream: an endless sequence, one permutation an epoch. The streams of a shape
take turns within its batches, and the shapes take turns by step. So no sample is lost or repeated within an epoch of
its stream, wherever a batch begins or ends.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from platen.artifacts.encoded import EncodedDataset
from platen.components.train.data.permutation import keys_of, shuffled
from platen.components.train.data.sources import numbers_of
from platen.components.train.data.turns import Turns

Samples = range | np.ndarray
PLACES = -1  # in the place of a stream's number: the key of what shuffles a batch


@dataclass(frozen=True)
class Stream:
    """The endless sequence of some samples; `number` tells it from the other streams of a run."""

    samples: Samples
    number: int

    def take(self, positions: np.ndarray, seed: int) -> np.ndarray:
        """The samples at some positions (n,) of the sequence."""
        epochs, places = np.divmod(positions, len(self.samples))
        found = shuffled(len(self.samples), places, keys_of(seed, self.number, epochs))
        return self.samples.start + found if isinstance(self.samples, range) else self.samples[found]


@dataclass(frozen=True)
class Bucket:
    """The streams of one shape, which take turns."""

    streams: Sequence[Stream]
    turns: Turns

    def batch(self, number: int, size: int, seed: int) -> np.ndarray:
        """The samples (size,) of the bucket's batch of this number, from 0."""
        places = np.arange(size)
        if len(self.streams) > 1:  # a source must not always have the same places: timesteps go by place
            places = shuffled(size, places, keys_of(seed, PLACES, np.full(size, number)))
        parts, positions = self.turns.at(number * size + places)
        batch = np.empty(size, np.int64)
        for part, stream in enumerate(self.streams):
            batch[parts == part] = stream.take(positions[parts == part], seed)
        return batch


class Order:
    """The endless sequence of global batches.

    Args:
        groups: Samples by shape, and of each shape by source.
        weights: Of each source; its samples share it.
        global_batch: Samples a step.
        seed: Of the permutations.
    """

    def __init__(
        self, groups: Sequence[Sequence[Samples]], weights: Sequence[Fraction], global_batch: int, seed: int
    ) -> None:
        self.global_batch, self.seed = global_batch, seed
        totals = [sum(map(len, parts)) for parts in zip(*groups, strict=True)]
        each = [weight / max(total, 1) for weight, total in zip(weights, totals, strict=True)]
        self.buckets: list[Bucket] = []
        shares, numbers = [], itertools.count()
        for group in groups:
            taken = [(samples, share * len(samples)) for samples, share in zip(group, each, strict=True)]
            streams = [Stream(samples, next(numbers)) for samples, share in taken if share]
            parts = [share for _, share in taken if share]
            if streams:
                self.buckets.append(Bucket(streams, Turns(parts)))
                shares.append(sum(parts, Fraction()))
        self.turns = Turns(shares)

    def batch(self, step: int) -> np.ndarray:
        """Indices (global_batch,) of the samples of a step, all of one shape; steps count from 0."""
        buckets, numbers = self.turns.at(np.array([step]))
        return self.buckets[int(buckets[0])].batch(int(numbers[0]), self.global_batch, self.seed)


def build_order(data: EncodedDataset, weights: Mapping[str, float], global_batch: int, seed: int) -> Order:
    """The order of an encoded folder's training samples. Raises SettingsError for weights that do not fit them."""
    if not weights:
        return Order([[bucket] for bucket in data.buckets], [Fraction(1)], global_batch, seed)
    found = numbers_of(data.folder, weights)
    numbers = np.concatenate([found[shard.name] for shard in data.shards])
    every = range(len(weights))
    groups = [[_of_source(numbers, bucket, source) for source in every] for bucket in data.buckets]
    return Order(groups, [Fraction(str(weight)) for weight in weights.values()], global_batch, seed)


def _of_source(numbers: np.ndarray, bucket: range, source: int) -> np.ndarray:
    found = bucket.start + np.flatnonzero(numbers[bucket.start : bucket.stop] == source)
    return found.astype(np.uint32)  # four bytes a sample: there can be a thousand million


def micro_batches(global_batch: int, micro_batch: int, ranks: int, rank: int) -> list[range]:
    """A rank's places in every global batch, one range for each of its micro-batches."""
    size = micro_batch * ranks
    starts = range(rank * micro_batch, global_batch, size)
    return [range(start, start + micro_batch) for start in starts]
