"""Any pixel type to sRGB."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from platen.components.clean_images.decode import Pixels

    Floats = npt.NDArray[np.float64]

WHITE = (255, 255, 255)
STRIP = 1 << 18  # pixels converted at a time: what a conversion needs besides them does not grow with the picture

Convert = Callable[["Image.Image"], "Image.Image"]


def to_rgb(picture: Image.Image, profile: bytes) -> Pixels:
    """uint8 [height, width, 3] of a loaded Pillow picture: sRGB, transparency over white, 16 bits to 8."""
    import numpy as np

    opaque = _opaque(picture)
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    for rows in strips(*picture.size):
        strip = opaque(picture.crop((0, rows.start, picture.width, rows.stop)))
        pixels[rows] = np.asarray(through_profile(strip, profile).convert("RGB"))
    return pixels


def to_srgb(pixels: Pixels, profile: bytes) -> Pixels:
    """RGB pixels through their ICC profile; unchanged where there is none."""
    import numpy as np
    from PIL import Image

    if not profile:
        return pixels
    converted = np.empty_like(pixels)
    for rows in strips(pixels.shape[1], pixels.shape[0]):
        converted[rows] = np.asarray(through_profile(Image.fromarray(pixels[rows]), profile))
    return converted


def strips(width: int, height: int) -> Iterator[slice]:
    """The rows of a picture from the top, about STRIP pixels at a time."""
    step = max(1, STRIP // width)
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def _opaque(picture: Image.Image) -> Convert:
    """What makes strips of a picture opaque, of at most 8 bits a channel."""
    if picture.has_transparency_data:
        return over_white
    if picture.mode == "F":
        return functools.partial(to_8_bits, white=255 if _brightest(picture) > 1 else 1)
    if picture.mode.startswith("I"):
        return functools.partial(to_8_bits, white=65535)
    return lambda strip: strip


def over_white(picture: Image.Image) -> Image.Image:
    """An opaque RGB picture: what is transparent shows white."""
    from PIL import Image

    whole = picture.convert("RGBA")
    flat = Image.new("RGB", whole.size, WHITE)
    flat.paste(whole, mask=whole.getchannel("A"))
    return flat


def to_8_bits(picture: Image.Image, white: int) -> Image.Image:
    """Grey of 8 bits from integers or floating-point numbers of which `white` (1, 255 or 65535) is the brightest."""
    import numpy as np
    from PIL import Image

    values = _numbers(picture)
    scaled = values * 255 if white == 1 else values / (white // 255)
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _brightest(picture: Image.Image) -> float:
    parts = (picture.crop((0, rows.start, picture.width, rows.stop)) for rows in strips(*picture.size))
    return max(float(_numbers(part).max()) for part in parts)


def _numbers(picture: Image.Image) -> Floats:
    import numpy as np

    return np.nan_to_num(np.asarray(picture, dtype=np.float64))


def through_profile(picture: Image.Image, profile: bytes) -> Image.Image:
    """A picture in sRGB; as it is where there is no profile, or one that does not fit its pixels."""
    from PIL import ImageCms

    if not profile or picture.mode not in ("RGB", "CMYK", "L"):
        return picture
    try:
        transform = _transform(profile, picture.mode)
        converted = ImageCms.applyTransform(picture, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture
    return picture if converted is None else converted


@functools.lru_cache(maxsize=64)  # most pictures of a collection carry the same few profiles
def _transform(profile: bytes, mode: str) -> Any:
    from PIL import ImageCms

    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
