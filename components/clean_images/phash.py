"""The perceptual hash by which near duplicates are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from platen.components.clean_images.decode import Pixels

SAMPLED = 32  # side of the picture that is transformed
KEPT = 8  # side of the block of low frequencies that is kept
NOISE = 8.0  # levels of 255 by which a frequency must exceed the median


def phash(pixels: Pixels) -> str:
    """64-bit hash of a whole picture [height, width, 3] as 16 hexadecimal digits.

    Whether each of the 64 lowest frequencies of the luma's DCT exceeds their median, the lowest first: Zauner,
    "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, as ImageHash has it. Two things
    differ, so some bits may: the resampling (area instead of Lanczos), and that a frequency must exceed the median
    by more than a JPEG's noise: in a plain drawing half of the frequencies and their median are zero, and a second
    saving would flip those bits at random.
    """
    import cv2
    import numpy as np

    small = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (SAMPLED, SAMPLED), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small.astype(np.float32))[:KEPT, :KEPT]
    return np.packbits(low > np.median(low) + NOISE).tobytes().hex()
