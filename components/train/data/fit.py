"""Whether there is enough to train on, asked before a process or a pod is started."""

from __future__ import annotations

from collections.abc import Mapping

from platen.artifacts.encoded import TRAIN
from platen.artifacts.metadata import EncodedMetadata
from platen.components.train.data.sources import numbers_of
from platen.components.train.settings import TrainSettings
from platen.core.errors import InputError, SettingsError
from platen.core.stage import Folder
from platen.core.telemetry import log


def check_fit(settings: TrainSettings, encoded: Folder) -> None:
    """Hold the settings against the training samples that there are.

    Raises:
        InputError: There are none.
        SettingsError: They do not suffice for ranks or batch, or weights name other sources.
    """
    metadata = EncodedMetadata.of(encoded)
    _check_count(settings, metadata.splits.get(TRAIN, 0), encoded.uri)
    _tell_small_buckets(settings, metadata.sizes)
    if settings.data.weights:
        numbers_of(encoded.part("index/*"), settings.data.weights)


def _check_count(settings: TrainSettings, samples: int, uri: str) -> None:
    if not samples:
        raise InputError(f"{uri}: no sample in the split {TRAIN!r}; see merge.split in the settings")
    have = f"{uri} has {samples} samples in the split {TRAIN!r}"
    if settings.ranks > samples:
        raise SettingsError("train.ranks", f"{settings.ranks}, but {have}", f"at most {samples}, or more pictures")
    if settings.global_batch > samples:
        problem = f"{settings.global_batch}, but {have}: one would be in a batch twice"
        raise SettingsError("train.global_batch", problem, f"at most {samples}, or more pictures")


def _tell_small_buckets(settings: TrainSettings, sizes: Mapping[str, int]) -> None:
    small = [f"{count} of {size}" for size, count in sizes.items() if count < settings.global_batch]
    if len(sizes) > 1 and small:
        log.warning(
            "global_batch %d is more than there are pictures of some sizes (%s): batches of these hold a picture more "
            "than once. A larger clean_images.buckets.step makes fewer sizes",
            settings.global_batch,
            ", ".join(small),
        )
