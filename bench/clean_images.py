"""Pictures a second of clean_images on one core, against plain Pillow in the same run.

    python -m bench.clean_images [pictures]

JPEGs of 1024 × 768 pixels, quality 90, to 256 × 256 JPEGs of quality 95. clean_images also recognises, checks,
measures, hashes and makes a thumbnail; Pillow only decodes, resizes, crops and encodes.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageOps

from bench.rows import Row as Figure
from platen.artifacts.dataset import Row, Sample
from platen.components.clean_images.picture import Cleaned, clean_picture
from platen.components.clean_images.probe import pillow_limits
from platen.components.clean_images.settings import CleanImagesSettings

SIZE, SIDE = (1024, 768), 256
ROUNDS = 5
SETTINGS = CleanImagesSettings(resolution=SIDE, format="jpeg", quality=95)


def main() -> None:
    """Print the row: the best of some rounds each, taken in turn."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    files = [photo(number) for number in range(count)]
    ways: dict[str, Callable[[bytes], None]] = {"clean_images": clean, "Pillow, full decode": with_pillow}
    best = dict.fromkeys(ways, float("inf"))
    with pillow_limits(SETTINGS.max_pixels):
        for _ in range(ROUNDS):
            for name, way in ways.items():
                started = time.perf_counter()
                for file in files:
                    way(file)
                best[name] = min(best[name], time.perf_counter() - started)
    Figure(
        row="pictures a second of clean_images, against plain Pillow",
        ratio=best["Pillow, full decode"] / best["clean_images"],
        bar="",
        parts={f"{name}, pictures/s": count / seconds for name, seconds in best.items()},
        how=f"JPEGs of 1024 × 768 pixels to {SIDE} × {SIDE}, one core; best of {ROUNDS} rounds of {count}, in turn",
    ).tell()


def clean(file: bytes) -> None:
    """The stage's work on one picture."""
    if not isinstance(clean_picture(Sample(Row("k", "c"), file), SETTINGS), Cleaned):
        raise SystemExit("the picture was dropped; nothing was measured")


def with_pillow(file: bytes) -> None:
    """What a plain script does."""
    picture = Image.open(io.BytesIO(file)).convert("RGB")
    ImageOps.fit(picture, (SIDE, SIDE), Image.Resampling.BOX).save(io.BytesIO(), "JPEG", quality=95)


def photo(number: int) -> bytes:
    """A JPEG with structure at all scales, some noise, as photographs have."""
    random = np.random.default_rng(number)
    total = np.zeros((SIZE[1], SIZE[0], 3))
    for side in (4, 8, 16, 32, 64, 128, 256):
        noise = Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))
        total += np.asarray(noise.resize(SIZE, Image.Resampling.BICUBIC), np.float64) / side
    total = 255 * (total - total.min()) / np.ptp(total) + random.normal(0, 3, total.shape)
    data = io.BytesIO()
    Image.fromarray(np.clip(total, 0, 255).astype(np.uint8)).save(data, "JPEG", quality=90)
    return data.getvalue()


if __name__ == "__main__":
    main()
