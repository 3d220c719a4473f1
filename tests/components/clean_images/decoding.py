"""Decoding the bytes of a test, and how far from a picture they come out."""

from __future__ import annotations

import numpy as np
from PIL import Image

from platen.components.clean_images.decode import decode
from platen.components.clean_images.probe import probe

CAP = 1_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def pixels(data: bytes, shorter_side: int = 10_000) -> np.ndarray:
    return decode(data, probe(data, CAP, 1), shorter_side, CAP)


def far(one: np.ndarray, two: Image.Image) -> float:
    return float(np.abs(one.astype(float) - np.asarray(two.convert("RGB"), float)).mean())
