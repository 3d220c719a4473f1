"""To the training size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from platen.components.clean_images.decode import Pixels

THUMBNAIL = 16  # pixels a side


def centre_square(pixels: Pixels) -> Pixels:
    """The largest square in the middle."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def to_side(pixels: Pixels, side: int) -> Pixels:
    """A square of another size: every pixel counts on the way down, bicubic on the way up."""
    import cv2

    way = cv2.INTER_AREA if side <= pixels.shape[0] else cv2.INTER_CUBIC
    resized: Pixels = cv2.resize(pixels, (side, side), interpolation=way)
    return resized


def thumbnail(pixels: Pixels) -> Pixels:
    """The whole picture, squeezed into uint8 [16, 16, 3]."""
    import cv2

    small: Pixels = cv2.resize(pixels, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return small
