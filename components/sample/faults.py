"""Picture files with faults, and with what must be repaired."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = ("png", "jpg", "webp")
HUGE = 20_000  # pixels a side
KEPT = 0.6  # share of a truncated file's bytes that is left
ORIENTATIONS = (6, 3, 8, 2, 4, 5, 7)  # EXIF 2.32, tag 274; 1 is upright
ORIENTATION_TAG = 274


def encode(picture: Image.Image, suffix: str, quality: int = 92, orientation: int = 1) -> bytes:
    """The file of a picture: png, jpg or webp; quality and EXIF orientation are those of the lossy ones."""
    from PIL import Image

    data = io.BytesIO()
    if suffix == "png":
        picture.save(data, "PNG", compress_level=6)
    elif suffix == "webp":
        picture.save(data, "WEBP", quality=quality, method=2)
    else:
        exif = Image.Exif()
        if orientation != 1:
            exif[ORIENTATION_TAG] = orientation
        picture.save(data, "JPEG", quality=quality, subsampling=0, exif=exif)
    return data.getvalue()


def rotated(picture: Image.Image, number: int) -> bytes:
    """A JPEG stored turned or mirrored, with the EXIF orientation that makes it upright again."""
    from PIL import Image

    turn = Image.Transpose
    undo = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_90,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_270,
    }
    orientation = ORIENTATIONS[number % len(ORIENTATIONS)]
    return encode(picture.transpose(undo[orientation]), "jpg", orientation=orientation)


def nearly_the_same(random: Random, picture: Image.Image) -> bytes:
    """The same drawing as somebody else saved it: another size, a little brighter or darker, a poorer JPEG."""
    from PIL import Image, ImageEnhance

    factor = random.choice((0.875, 1.125, 1.25))  # of multiples of 16 pixels: the proportions stay
    size = (round(picture.width * factor), round(picture.height * factor))
    again = ImageEnhance.Brightness(picture.resize(size, Image.Resampling.BICUBIC)).enhance(
        random.uniform(0.985, 1.015)
    )
    return encode(again, "jpg", quality=random.randint(75, 88))


def corrupt(_: Image.Image, number: int) -> tuple[bytes, str]:
    """A file that is no picture at all, though its name says so."""
    page = b"<!doctype html><title>Not found</title><p>The picture has moved.</p>"
    return ((Random(number).randbytes(2000), "png"), (page, "jpg"), (b"", "webp"))[number % 3]


def truncated(picture: Image.Image, number: int) -> tuple[bytes, str]:
    """A picture whose header is whole and whose data ends early."""
    suffix = ("jpg", "png")[number % 2]
    data = encode(picture, suffix)
    return data[: int(len(data) * KEPT)], suffix


def too_small(picture: Image.Image, number: int) -> tuple[bytes, str]:
    """A drawing of a few pixels."""
    side = 8 + number % 8
    suffix = SUFFIXES[number % 3]
    return encode(picture.resize((side, side)), suffix), suffix


def too_large(_: Image.Image, number: int) -> tuple[bytes, str]:
    """A decompression bomb: 400 million pixels of one colour in some fifty kilobytes, a whole and valid PNG."""
    header = struct.pack(">IIBBBBB", HUGE, HUGE, 1, 3, 0, 0, 0)  # one bit a pixel, palette; PNG specification, 11.2.1
    palette = bytes([200, 40 + number % 200, 60, 0, 0, 0])
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", _zeros((HUGE // 8 + 1) * HUGE)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks), "png"


def blank(_: Image.Image, number: int) -> tuple[bytes, str]:
    """A picture of nothing but one colour."""
    from PIL import Image

    colour = ((255, 255, 255), (0, 0, 0), (128, 128, 128), (90, 140, 200))[number % 4]
    suffix = SUFFIXES[number % 3]
    return encode(Image.new("RGB", (100 + number % 40, 120), colour), suffix), suffix


# By drop reason: from a picture and a running number to a file and its suffix.
BAD_PICTURES: dict[str, Callable[[Image.Image, int], tuple[bytes, str]]] = {
    "corrupt_image": corrupt,
    "truncated_image": truncated,
    "too_small": too_small,
    "too_large": too_large,
    "blank_image": blank,
}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@functools.cache
def _zeros(count: int) -> bytes:
    """So many zero bytes, compressed without holding them."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    packed = [packer.compress(block) for _ in range(count // len(block))]
    return b"".join([*packed, packer.compress(bytes(count % len(block))), packer.flush()])
