"""Contrast and sharpness."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from platen.components.clean_images.measure import contrast, sharpness


def test_contrast() -> None:
    halves = np.zeros((10, 10, 3), np.uint8)
    assert contrast(halves) == 0
    halves[:5, :, 1] = 255
    assert contrast(halves) == 127.5


def test_a_blurred_picture_is_less_sharp(picture: Image.Image) -> None:
    blurred = picture.filter(ImageFilter.GaussianBlur(3))
    assert sharpness(np.asarray(picture)) > 4 * sharpness(np.asarray(blurred)) > 0
    assert sharpness(np.full((20, 20, 3), 80, np.uint8)) == 0
