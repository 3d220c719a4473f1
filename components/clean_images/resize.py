"""To the training size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from platen.components.clean_images.decode import Pixels

THUMBNAIL = 16  # pixels a side


def centre_crop(pixels: Pixels, width: int, height: int) -> Pixels:
    """The largest part in the middle that has the shape of a picture of this size."""
    high, wide = pixels.shape[:2]
    if wide * height > high * width:
        kept_high, kept_wide = high, max(1, round(high * width / height))
    else:
        kept_high, kept_wide = max(1, round(wide * height / width)), wide
    top, left = (high - kept_high) // 2, (wide - kept_wide) // 2
    return pixels[top : top + kept_high, left : left + kept_wide]


def to_size(pixels: Pixels, width: int, height: int) -> Pixels:
    """The same in another size: every pixel counts on the way down, bicubic on the way up."""
    import cv2

    shrinks = height <= pixels.shape[0] and width <= pixels.shape[1]
    resized: Pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized


def thumbnail(pixels: Pixels) -> Pixels:
    """The whole picture, squeezed into uint8 [16, 16, 3]."""
    import cv2

    small: Pixels = cv2.resize(pixels, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return small
