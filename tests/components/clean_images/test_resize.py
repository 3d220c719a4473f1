"""To the training size."""

from __future__ import annotations

import numpy as np
import pytest

from platen.components.clean_images.resize import centre_crop, thumbnail, to_size


@pytest.mark.parametrize(("height", "width"), [(10, 30), (30, 10), (11, 30), (7, 7)])
def test_centre_square(height: int, width: int) -> None:
    pixels = np.arange(height * width, dtype=np.int32).reshape(height, width, 1).astype(np.uint8)
    side = min(height, width)
    square = centre_crop(pixels, 8, 8)
    assert square.shape == (side, side, 1)
    top, left = (height - side) // 2, (width - side) // 2
    assert square[0, 0, 0] == pixels[top, left, 0]


@pytest.mark.parametrize(
    ("height", "width", "kept"), [(100, 300, (100, 200)), (300, 100, (50, 100)), (100, 200, (100, 200)), (1, 9, (1, 2))]
)
def test_centre_crop_has_the_shape_that_is_asked_for(height: int, width: int, kept: tuple[int, int]) -> None:
    cropped = centre_crop(np.zeros((height, width, 3), np.uint8), 64, 32)
    assert cropped.shape[:2] == kept
    assert to_size(cropped, 64, 32).shape == (32, 64, 3)


def test_every_pixel_counts_on_the_way_down() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.unique(to_size(stripes, 16, 16)).tolist() == [100]
    assert to_size(stripes, 128, 128).shape == (128, 128, 3)


def test_thumbnail_shows_all_of_the_picture() -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, :30] = 255
    small = thumbnail(pixels)
    assert small.shape == (16, 16, 3)
    assert small[0, 0, 0] == 255
    assert small[0, 8, 0] == 0
