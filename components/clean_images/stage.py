"""clean_images: pictures as they came in, pictures at the training size out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from platen.artifacts.dataset import (
    Drop,
    Sample,
    count_drops,
    count_sizes,
    is_done,
    read_index,
    read_rows,
    read_shard,
    shards_of,
    write_shard,
)
from platen.artifacts.metadata import DatasetMetadata
from platen.components.clean_images.picture import Cleaned, clean_picture, rows_repaired
from platen.components.clean_images.probe import pillow_limits
from platen.components.clean_images.settings import CleanImagesSettings
from platen.components.clean_images.threads import cores
from platen.core.stage import Inputs, Outcome, Place, Stage
from platen.core.storage import write_file
from platen.core.telemetry import Advance, progress

THUMBNAILS = "thumbnails"


def clean_images(settings: CleanImagesSettings, inputs: Inputs, place: Place) -> Outcome:
    """Clean shard by shard, the pictures of a shard in threads; finished shards are left as they are."""
    source = inputs["dataset"].path
    total = sum(1 for _ in read_index(source))
    threads = ThreadPoolExecutor(settings.workers or cores(), thread_name_prefix="clean_images")
    with pillow_limits(settings.max_pixels), threads, progress("cleaning pictures", total, "pictures") as advance:
        _leave_threads_to_us()
        for shard in shards_of(source):
            if is_done(place.out, shard):
                advance(len(read_rows(source, shard)))
            else:
                _clean_shard(source, shard, settings, place.out, threads, advance)
    rows = list(read_index(place.out))
    metadata = DatasetMetadata(resolution=settings.resolution, sizes=count_sizes(rows) if settings.buckets else None)
    return Outcome(
        counts={"samples": len(rows), "repaired_exif_rotation": rows_repaired(rows)},
        dropped=count_drops(place.out),
        facts=metadata.facts(),
    )


def _clean_shard(
    source: Path, shard: str, settings: CleanImagesSettings, out: Path, threads: Executor, advance: Advance
) -> None:
    def clean(sample: Sample) -> Cleaned | Drop:
        result = clean_picture(sample, settings)
        advance(1)
        return result

    samples = sorted(read_shard(source, shard), key=lambda sample: sample.row.key)
    results = list(threads.map(clean, samples))
    cleaned = [result for result in results if isinstance(result, Cleaned)]
    _write_thumbnails(out / THUMBNAILS / f"{shard}.npy", cleaned)
    drops = [result for result in results if isinstance(result, Drop)]
    write_shard(out, shard, [result.sample for result in cleaned], drops)


def _write_thumbnails(path: Path, cleaned: Sequence[Cleaned]) -> None:
    """Write the thumbnails of a shard in the order of its index: uint8 [pictures, 16, 16, 3], NumPy's format."""
    import numpy as np

    from platen.components.clean_images.resize import THUMBNAIL

    stacked = np.zeros((len(cleaned), THUMBNAIL, THUMBNAIL, 3), np.uint8)
    for number, result in enumerate(cleaned):
        stacked[number] = result.thumbnail
    data = io.BytesIO()
    np.save(data, stacked)
    write_file(path, data.getvalue())


def _leave_threads_to_us() -> None:
    """Keep OpenCV from starting threads of its own for each picture."""
    import cv2

    cv2.setNumThreads(1)


STAGE = Stage(
    name="clean_images",
    version=2,
    kind="dataset",
    settings=CleanImagesSettings,
    inputs={"dataset": "dataset"},
    work=clean_images,
    resumable=True,
)
