"""Any pixel type to sRGB, with little memory beside it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms

from platen.components.clean_images.colour import to_rgb
from tests.components.clean_images.decoding import far, pixels
from tests.tiny_dataset import encoded


def test_transparency_shows_white(picture: Image.Image) -> None:
    holed = picture.convert("RGBA")
    holed.paste((0, 0, 0, 0), (0, 0, 60, 100))
    for data in (encoded(holed), encoded(holed, "WEBP", lossless=True), encoded(holed.quantize(64, method=2))):
        found = pixels(data)
        assert (found[50, 10] > 245).all()
        assert far(found[:, 60:], picture.crop((60, 0, 120, 100))) < 12


def test_grey_with_transparency_and_palette(picture: Image.Image) -> None:
    assert far(pixels(encoded(picture.convert("LA"))), picture.convert("L")) < 1
    assert far(pixels(encoded(picture.quantize(32))), picture.quantize(32)) < 1
    assert far(pixels(encoded(picture.convert("1"))), picture.convert("1")) < 1


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_grey(dtype: type) -> None:
    ramp = np.tile(np.linspace(0, 1, 256), (40, 1))
    deep = Image.fromarray((ramp if dtype is np.float32 else ramp * 65535).astype(dtype))
    found = pixels(encoded(deep, "TIFF"))
    assert np.abs(found[0, :, 0].astype(int) - np.arange(256)).max() <= 1
    assert (found[..., 0] == found[..., 2]).all()


def test_whether_floats_go_to_1_or_to_255_is_judged_by_the_whole_picture() -> None:
    values = np.full((700, 600), 0.5, np.float32)  # more than one strip
    assert (pixels(encoded(Image.fromarray(values), "TIFF")) == 128).all()
    values[-1] = 200
    found = pixels(encoded(Image.fromarray(values), "TIFF"))
    assert (found[:-1] == 0).all()
    assert (found[-1] == 200).all()


def transparent(picture: Image.Image) -> Image.Image:
    holed = picture.convert("RGBA")
    holed.putalpha(picture.convert("L"))
    return holed


def deep(picture: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257)


@pytest.mark.parametrize("make", [Image.Image.copy, transparent, deep], ids=["RGB", "RGBA", "16 bits"])
def test_a_large_picture_is_converted_with_little_memory_beside_it(
    photo: Image.Image, make: Callable[[Image.Image], Image.Image]
) -> None:
    picture = make(photo.resize((2400, 1800), Image.Resampling.BICUBIC))
    top = to_rgb(picture.crop((0, 0, 2400, 10)), b"")
    tracemalloc.start()
    found = to_rgb(picture, b"")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found[:10] == top).all()
    assert peak < 2 * found.nbytes


def test_profile_is_applied(picture: Image.Image) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = pixels(encoded(picture, icc_profile=lab))
    assert far(same, picture) < 1
    swapped = bytearray(lab)  # a profile whose red and blue primaries have changed places
    red, blue = swapped.index(b"rXYZ"), swapped.index(b"bXYZ")
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    for name in ("PNG", "JPEG"):
        found = pixels(encoded(picture, name, icc_profile=bytes(swapped)))
        assert far(found, Image.merge("RGB", picture.split()[::-1])) < 6


def test_broken_profile_is_left_aside(picture: Image.Image) -> None:
    assert far(pixels(encoded(picture, icc_profile=b"no profile")), picture) == 0
    assert far(pixels(encoded(picture, "JPEG", icc_profile=b"no profile")), picture) < 4
