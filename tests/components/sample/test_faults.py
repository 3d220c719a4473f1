"""Each fault is what its name says, and nothing else."""

from __future__ import annotations

import io
import zlib
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageOps, UnidentifiedImageError

from platen.components.sample import faults
from platen.components.sample.world import COMBINATIONS, random_scene, render, thumbnail


@pytest.fixture
def picture() -> Image.Image:
    return render(random_scene(Random(8), COMBINATIONS[4]))  # a triangle: every turn shows


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def rms(one: Image.Image, other: Image.Image) -> float:
    return float(np.sqrt(np.square(thumbnail(one) - thumbnail(other)).mean()))


@pytest.mark.parametrize("number", range(len(faults.ORIENTATIONS)))
def test_rotated_is_upright_after_its_orientation_is_applied(picture: Image.Image, number: int) -> None:
    stored = opened(faults.rotated(picture, number))
    assert stored.getexif()[faults.ORIENTATION_TAG] == faults.ORIENTATIONS[number]
    assert ImageOps.exif_transpose(stored).size == picture.size
    assert rms(ImageOps.exif_transpose(stored), picture) < 3


def test_nearly_the_same_is_another_file_of_the_same_look() -> None:
    random = Random(9)
    for number in range(48):
        picture = render(random_scene(random, COMBINATIONS[number % 24]))
        again = opened(faults.nearly_the_same(random, picture))
        assert again.size != picture.size
        assert rms(again, picture) < 6


@pytest.mark.parametrize("number", range(3))
def test_corrupt_is_no_picture(picture: Image.Image, number: int) -> None:
    data, suffix = faults.corrupt(picture, number)
    with pytest.raises(UnidentifiedImageError):
        opened(data)
    assert suffix in faults.SUFFIXES


@pytest.mark.parametrize("number", range(2))
def test_truncated_has_a_whole_header_and_too_little_data(picture: Image.Image, number: int) -> None:
    image = opened(faults.truncated(picture, number)[0])
    assert image.size == picture.size
    with pytest.raises(OSError, match="truncated"):
        image.load()


def test_too_large_is_a_valid_file_of_few_bytes(picture: Image.Image) -> None:
    data, _ = faults.too_large(picture, 1)
    start = data.index(b"IDAT")
    size = int.from_bytes(data[start - 4 : start], "big")
    assert data[16:24] == bytes.fromhex("00004e20") * 2  # width and height, 20,000
    assert len(data) < 60_000
    assert len(zlib.decompress(data[start + 4 : start + 4 + size])) == 20_000 * (20_000 // 8 + 1)
    assert zlib.crc32(data[start : start + 4 + size]) == int.from_bytes(
        data[start + 4 + size : start + 8 + size], "big"
    )


@pytest.mark.parametrize("number", range(12))
def test_blank_has_one_colour(picture: Image.Image, number: int) -> None:
    image = opened(faults.blank(picture, number)[0]).convert("RGB")
    assert np.asarray(image).std(axis=(0, 1)).max() < 1
    assert min(image.size) >= 96


def test_too_small_is_whole(picture: Image.Image) -> None:
    sizes = [opened(faults.too_small(picture, number)[0]).convert("RGB").size for number in range(8)]
    assert sizes == [(side, side) for side in range(8, 16)]
