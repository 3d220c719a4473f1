"""Pictures that the tests of clean_images share."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.tiny_dataset import drawing


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """A drawing with nothing symmetric in it: 120 × 100 pixels, RGB."""
    return drawing(1)


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """Smooth structure at all scales, as in a photograph: 320 × 240 pixels, RGB."""
    import numpy as np

    random = np.random.default_rng(7)
    total = np.zeros((240, 320, 3))
    for side in (3, 5, 9, 17, 33, 65):
        noise = Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((320, 240), Image.Resampling.BICUBIC), np.float64) / side
    return Image.fromarray((255 * (total - total.min()) / np.ptp(total)).astype(np.uint8))
