"""From a picture's bytes to upright RGB pixels."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from platen.components.clean_images.colour import to_rgb, to_srgb
from platen.components.clean_images.orientation import upright
from platen.components.clean_images.probe import UPRIGHT, Header, check_pixels, open_picture
from platen.components.clean_images.rejected import Rejected

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

# How a whole file ends; some writers leave padding behind it.
ENDINGS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
PADDING = 1024  # bytes
# What libjpeg-turbo says where it comes upon the end mark before the last pixel; Pillow would fill up with grey.
CUT = re.compile(r"premature end of data|found marker 0xd9 instead of RST")


def decode(data: bytes, header: Header, shorter_side: int, max_pixels: int) -> Pixels:
    """Decode a picture whose header was checked.

    Args:
        data: The file.
        header: What `probe` said of it.
        shorter_side: Pixels wanted there; a JPEG that is much larger is decoded at a fraction of its size.
        max_pixels: The cap; the decoder's own reading of the size is held against it too.

    Returns:
        uint8 [height, width, 3], sRGB, upright, transparency over white.

    Raises:
        Rejected: corrupt_image, truncated_image, too_large.
    """
    if header.format == "JPEG" and header.mode in ("RGB", "L"):
        pixels = _decode_jpeg(data, header, shorter_side, max_pixels)
        if pixels is not None:
            return upright(to_srgb(pixels, header.profile), header.orientation)
    if header.format == "JPEG" and header.mode == "CMYK":
        _decode_jpeg(data, header, 1, max_pixels, "CMYK")  # only to see that it is whole: Pillow knows its colours
    pixels = _decode_with_pillow(data, header, max_pixels)
    # Pillow turns TIFF files itself.
    return upright(pixels, UPRIGHT if header.format == "TIFF" else header.orientation)


def _decode_jpeg(
    data: bytes, header: Header, shorter_side: int, max_pixels: int, colours: str = "RGB"
) -> Pixels | None:
    """Decode with libjpeg-turbo, at the smallest n/8 of the size that is still large enough.

    None for a file that it finds another fault with than an early end: Pillow then tells truncated files from odd ones.
    """
    import simplejpeg

    share = min(1.0, shorter_side / min(header.width, header.height))
    least = {"min_height": math.ceil(header.height * share), "min_width": math.ceil(header.width * share)}
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, **least)
        check_pixels(width, height, max_pixels)
        pixels: Pixels = simplejpeg.decode_jpeg(data, colours, **least)
    except ValueError as error:
        if CUT.search(str(error)):
            raise _truncated(data, header) from error
        return None
    return pixels


def _decode_with_pillow(data: bytes, header: Header, max_pixels: int) -> Pixels:
    with open_picture(data, max_pixels) as picture:
        check_pixels(picture.width, picture.height, max_pixels)
        try:
            picture.load()
            return to_rgb(picture, header.profile)
        except MemoryError:
            raise
        except Exception as error:  # on hostile bytes Pillow raises what it likes
            raise _broken(data, header, error) from error


def _broken(data: bytes, header: Header, error: Exception) -> Rejected:
    if "truncated" in str(error).lower() or ends_early(data, header.format):
        return _truncated(data, header)
    return Rejected("corrupt_image", f"{header.format} that cannot be decoded: {error}")


def _truncated(data: bytes, header: Header) -> Rejected:
    return Rejected("truncated_image", f"{header.format} of {len(data)} bytes ends before its pixels do")


def ends_early(data: bytes, name: str) -> bool:
    """Whether the mark at the end of a file of this format is missing."""
    return name in ENDINGS and ENDINGS[name] not in data[-PADDING:]
