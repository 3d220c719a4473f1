"""Bytes to pixels, also hostile ones."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from platen.components.clean_images.decode import decode
from platen.components.clean_images.probe import ORIENTATION, probe
from platen.components.clean_images.rejected import Rejected
from tests.components.clean_images.decoding import FORMATS, far, pixels
from tests.tiny_dataset import drawing, encoded


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(picture: Image.Image, name: str) -> None:
    found = pixels(encoded(picture, name))
    assert found.shape == (100, 120, 3)
    assert found.dtype == np.uint8
    assert far(found, picture) < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation(photo: Image.Image, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(photo, name, exif=exif)
    with Image.open(io.BytesIO(data)) as stored:
        expected = ImageOps.exif_transpose(stored).convert("RGB")
    found = pixels(data)
    assert found.shape[:2] == ((240, 320) if orientation < 5 else (320, 240))
    assert far(found, expected) < 2


def test_orientation_of_cmyk_jpeg(photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    found = pixels(encoded(photo.convert("CMYK"), "JPEG", exif=exif, quality=95))
    assert far(found, photo.transpose(Image.Transpose.ROTATE_270)) < 6


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpeg_of_other_colours(photo: Image.Image, mode: str) -> None:
    assert far(pixels(encoded(photo.convert(mode), "JPEG", quality=95)), photo.convert(mode)) < 6


def test_large_jpeg_is_decoded_smaller(photo: Image.Image) -> None:
    large = photo.resize((2560, 1920), Image.Resampling.BICUBIC)
    data = encoded(large, "JPEG", quality=90)
    header = probe(data, 10**7, 1)
    found = decode(data, header, 256, 10**7)
    assert 256 <= min(found.shape[:2]) < 500
    assert far(found, large.resize(found.shape[1::-1], Image.Resampling.BOX)) < 4


def test_first_frame_of_an_animation(picture: Image.Image) -> None:
    frames = [picture, drawing(2), drawing(3)]
    for name in ("GIF", "PNG", "WEBP"):
        data = encoded(frames[0], name, save_all=True, append_images=frames[1:])
        assert far(pixels(data), picture) < 8


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8, 0.95])
@pytest.mark.parametrize("name", FORMATS)
def test_truncated(photo: Image.Image, name: str, share: float) -> None:
    data = encoded(photo, name)
    with pytest.raises(Rejected) as caught:
        pixels(data[: int(len(data) * share)])
    assert caught.value.reason in (("truncated_image",) if name != "TIFF" else ("truncated_image", "corrupt_image"))


@given(cut=st.floats(0, 1))
@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_truncated_anywhere(name: str, cut: float) -> None:
    data = encoded(drawing(5), name)
    least = data.index(b"\xff\xda" if name == "JPEG" else b"IDAT") + 16
    with pytest.raises(Rejected) as caught:
        pixels(data[: max(least, int((len(data) - 40) * cut))])
    assert caught.value.reason == "truncated_image"


@pytest.fixture(scope="session")
def large(photo: Image.Image) -> Image.Image:
    return photo.resize((1024, 768), Image.Resampling.BICUBIC)


JPEGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_blocks": 8},
    "progressive with restart markers": {"progressive": True, "restart_marker_rows": 1},
}


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
def test_jpeg_that_is_cut_but_has_its_end_mark(
    large: Image.Image, options: dict[str, bool], mode: str, share: float
) -> None:
    data = encoded(large.convert(mode), "JPEG", **options)
    for shorter_side in (256, 10_000):
        with pytest.raises(Rejected) as caught:
            pixels(data[: int(len(data) * share)] + b"\xff\xd9", shorter_side)
        assert caught.value.reason == "truncated_image"


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
def test_jpeg_that_is_whole_whatever_comes_behind_it(large: Image.Image, options: dict[str, bool], mode: str) -> None:
    data = encoded(large.convert(mode), "JPEG", quality=95, **options)
    for behind in (b"", b"\0" * 100, b"junk" * 1000, b"\xff\xd9"):
        assert far(pixels(data + behind), large.convert(mode)) < 6


def test_damage_in_the_middle_is_not_truncation(photo: Image.Image) -> None:
    data = bytearray(encoded(photo))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(Rejected) as caught:
        pixels(bytes(data))
    assert caught.value.reason == "corrupt_image"
