"""The perceptual hash."""

from __future__ import annotations

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from platen.components.clean_images.decode import decode
from platen.components.clean_images.phash import phash
from platen.components.clean_images.probe import probe
from tests.tiny_dataset import drawing, encoded


def bits(one: str, two: str) -> int:
    return (int(one, 16) ^ int(two, 16)).bit_count()


def hashed(data: bytes) -> str:
    return phash(decode(data, probe(data, 10**7, 1), 64, 10**7))


def test_near_the_reference_implementation(photo: Image.Image) -> None:
    pictures = [photo, *(photo.rotate(angle).crop((60, 60, 260, 200)) for angle in (20, 40, 60, 80))]
    distances = [bits(phash(np.asarray(one)), str(imagehash.phash(one))) for one in pictures]
    assert max(distances) <= 8
    assert min(bits(phash(np.asarray(pictures[0])), str(imagehash.phash(one))) for one in pictures[1:]) > 12


@pytest.mark.parametrize("number", range(8))
def test_copies_are_near(number: int) -> None:
    original = drawing(number)
    small = original.resize((102, 85), Image.Resampling.BICUBIC)
    copies = [
        encoded(original, "JPEG", quality=60),
        encoded(small, "WEBP"),
        encoded(ImageEnhance.Brightness(small).enhance(1.05), "JPEG"),
    ]
    assert max(bits(hashed(encoded(original)), hashed(copy)) for copy in copies) <= 12


def test_a_drawing_without_detail_has_no_random_bits() -> None:
    plain = Image.new("RGB", (100, 100), (240, 240, 240))
    plain.paste((220, 40, 40), (30, 30, 70, 70))
    hashes = [hashed(encoded(plain, "JPEG", quality=quality)) for quality in range(50, 100, 5)]
    assert max(bits(hashes[0], other) for other in hashes) <= 4
    assert len(hashes[0]) == 16
