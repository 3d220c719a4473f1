"""Training pictures to bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from platen.components.clean_images.encode import encode


@pytest.mark.parametrize(("name", "most"), [("png", 0.0), ("jpeg", 4.0), ("webp", 6.0)])
def test_what_is_written_is_read(picture: Image.Image, name: str, most: float) -> None:
    pixels = np.asarray(picture)
    with Image.open(io.BytesIO(encode(pixels, name, 95))) as read:
        assert read.format == name.upper()
        assert np.abs(np.asarray(read.convert("RGB"), float) - pixels).mean() <= most
        assert not read.getexif()
        assert not {"icc_profile", "exif", "xmp", "comment"} & set(read.info)


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_quality_counts(picture: Image.Image, name: str) -> None:
    pixels = np.asarray(picture)
    assert len(encode(pixels, name, 95)) > len(encode(pixels, name, 40))
