"""What is known before a pixel is decoded."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from platen.components.clean_images.probe import ORIENTATION, is_cut_webp, pillow_limits, probe
from platen.components.clean_images.rejected import Rejected
from tests.tiny_dataset import encoded

CAP = 1_000_000


def reason(data: bytes, max_pixels: int = CAP, min_side: int = 8) -> tuple[str, str]:
    with pytest.raises(Rejected) as caught, pillow_limits(max_pixels):
        probe(data, max_pixels, min_side)
    return caught.value.reason, caught.value.detail


def png_header(width: int, height: int) -> bytes:
    """A PNG that says its size and has no pixels: decoding it would end as truncated."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"\0")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (head, body)
    )


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_formats_by_their_bytes(picture: Image.Image, name: str) -> None:
    header = probe(encoded(picture, name), CAP, 8)
    assert header.format == name
    assert (header.width, header.height) == (120, 100)
    assert header.orientation == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_size_as_stored_whatever_the_orientation(picture: Image.Image, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    header = probe(encoded(picture, name, exif=exif), CAP, 8)
    assert (header.width, header.height, header.orientation) == (120, 100, orientation)


def test_size_of_a_tiff_whose_orientation_is_in_its_xmp(picture: Image.Image) -> None:
    header = probe(encoded(picture, "TIFF", tiffinfo={700: b'<x tiff:Orientation="6"/>'}), CAP, 8)
    assert (header.width, header.height, header.orientation) == (120, 100, 6)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0", id="zero"),
        pytest.param(b"<!doctype html>", id="html"),
        pytest.param(b"%!PS-Adobe-3.0\n%%BoundingBox: 0 0 9 9\n", id="postscript"),
        pytest.param(b"%PDF-1.7", id="pdf"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="png signature"),
        pytest.param(b"\xff\xd8\xff", id="jpeg signature"),
    ],
)
def test_no_picture(data: bytes) -> None:
    assert reason(data)[0] == "corrupt_image"


@pytest.mark.parametrize("side", [1001, 1500, 20_000, 2**31 - 1])
def test_too_many_pixels(side: int) -> None:
    found, detail = reason(png_header(side, side))
    assert found == "too_large"
    assert detail.endswith("pixels; at most 1000000 may be decoded")


def test_too_small(picture: Image.Image) -> None:
    found, detail = reason(encoded(picture), min_side=101)
    assert (found, detail) == ("too_small", "120 × 100 pixels; the shorter side must have 101")
    assert probe(encoded(picture), CAP, 100).height == 100


def test_cut_webp(picture: Image.Image) -> None:
    whole = encoded(picture, "WEBP")
    assert not is_cut_webp(whole)
    assert reason(whole[:-20])[0] == "truncated_image"
    assert reason(whole[:10])[0] == "corrupt_image"


def test_pillows_limit_is_put_back() -> None:
    before = Image.MAX_IMAGE_PIXELS
    with pillow_limits(5):
        assert Image.MAX_IMAGE_PIXELS == 5
    assert before == Image.MAX_IMAGE_PIXELS
