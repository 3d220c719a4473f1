"""Turning and mirroring pictures as their EXIF orientation says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from platen.components.clean_images.decode import Pixels

MIRRORED = (2, 4, 5, 7)  # left and right are swapped after turning
QUARTER_TURNS = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}  # counter-clockwise


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels [height, width, 3] as they are meant to be seen; EXIF 2.32, tag 0x0112, values 1 to 8."""
    import numpy as np

    turned = np.rot90(pixels, QUARTER_TURNS.get(orientation, 0))
    return np.ascontiguousarray(turned[:, ::-1] if orientation in MIRRORED else turned)
