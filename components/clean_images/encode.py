"""Training pictures to bytes, with nothing in them but pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platen.core.errors import PlatformError

if TYPE_CHECKING:
    from platen.components.clean_images.decode import Pixels

EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp"}
PNG_LEVEL = 6  # of zlib, as everywhere


def encode(pixels: Pixels, name: str, quality: int) -> bytes:
    """The file of a picture [height, width, 3].

    Args:
        pixels: sRGB.
        name: jpeg, png or webp.
        quality: 1 to 100; png has none.
    """
    if name == "jpeg":
        import simplejpeg

        data: bytes = simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB", colorsubsampling="444")
        return data
    return _encode_with_opencv(pixels, name, quality)


def _encode_with_opencv(pixels: Pixels, name: str, quality: int) -> bytes:
    import cv2

    options = [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL] if name == "png" else [cv2.IMWRITE_WEBP_QUALITY, quality]
    done, data = cv2.imencode(f".{name}", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise PlatformError(f"OpenCV could not write a {name} of {pixels.shape[1]} × {pixels.shape[0]} pixels")
    return bytes(data)
