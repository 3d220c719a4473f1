"""What a picture's header says, read without decoding a pixel."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platen.components.clean_images.rejected import Rejected

if TYPE_CHECKING:
    from PIL import Image

# What pictures are made of in practice. Pillow knows many more, some of which start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
ORIENTATION = 274  # EXIF 2.32, tag 0x0112
UPRIGHT = 1
QUARTER_TURNS = (5, 6, 7, 8)  # orientations that swap width and height


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a picture before it is decoded.

    Attributes:
        format: One of FORMATS, from the bytes; a JPEG with more pictures in it counts as JPEG.
        width, height: As stored, in pixels, before the orientation is applied.
        mode: Pillow's name of the pixel type: RGB, L, P, CMYK, ...
        orientation: EXIF orientation, 1 to 8; 1 where there is none.
        profile: ICC profile; empty where there is none.
    """

    format: str
    width: int
    height: int
    mode: str
    orientation: int
    profile: bytes

    @property
    def pixels(self) -> int:
        """How many pixels there are."""
        return self.width * self.height


def probe(data: bytes, max_pixels: int, min_side: int) -> Header:
    """Recognise a picture and check its size.

    Raises:
        Rejected: corrupt_image, truncated_image, too_large or too_small.
    """
    if is_cut_webp(data):
        raise Rejected("truncated_image", f"{len(data)} bytes; the header says there are more")
    with open_picture(data, max_pixels) as picture:
        width, height = _stored_size(picture)
        header = Header(
            format="JPEG" if picture.format == "MPO" else str(picture.format),
            width=width,
            height=height,
            mode=picture.mode,
            orientation=_orientation(picture),
            profile=_profile(picture),
        )
    check_pixels(header.width, header.height, max_pixels)
    if min(header.width, header.height) < min_side:
        raise Rejected("too_small", f"{header.width} × {header.height} pixels; the shorter side must have {min_side}")
    return header


def open_picture(data: bytes, max_pixels: int) -> Image.Image:
    """A Pillow picture of which only the header is read. Raises Rejected where Pillow knows none in it."""
    from PIL import Image

    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise _bomb(error, max_pixels) from None
    except MemoryError:
        raise
    except Exception as error:  # on hostile bytes Pillow raises what it likes; all of it means the same here
        raise Rejected("corrupt_image", _first_bytes(data)) from error


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise Rejected where there are more pixels than allowed."""
    if width * height > max_pixels:
        raise Rejected("too_large", f"{width} × {height} pixels; at most {max_pixels} may be decoded")


@contextmanager
def pillow_limits(max_pixels: int) -> Iterator[None]:
    """Pillow's own limit set to ours, and its remarks on odd files off, for the whole process.

    Pillow warns above its limit, where `check_pixels` refuses, and raises above twice the limit.
    """
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def is_cut_webp(data: bytes) -> bool:
    """Whether a WebP file is shorter than its RIFF header says (Pillow would only say that it is none)."""
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return False
    return int.from_bytes(data[4:8], "little") + 8 > len(data)


def _bomb(error: Exception, max_pixels: int) -> Rejected:
    found = re.search(r"\((\d+) pixels\)", str(error))
    return Rejected("too_large", f"{found[1] if found else 'too many'} pixels; at most {max_pixels} may be decoded")


def _first_bytes(data: bytes) -> str:
    return f"no picture begins with the bytes {data[:8].hex(' ')}" if data else "no bytes at all"


def _stored_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height before the orientation is applied; Pillow gives those of TIFF files with it applied."""
    turned = getattr(picture, "tag_v2", {}).get(ORIENTATION, UPRIGHT) in QUARTER_TURNS
    return (picture.height, picture.width) if turned else picture.size


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(ORIENTATION, UPRIGHT)
    except Exception:  # EXIF that cannot be read says nothing; the picture may still be fine
        return UPRIGHT
    return value if isinstance(value, int) and value in range(1, 9) else UPRIGHT


def _profile(picture: Image.Image) -> bytes:
    profile = picture.info.get("icc_profile")
    return profile if isinstance(profile, bytes) else b""
