"""Any pixel type to sRGB."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

    from platen.components.clean_images.decode import Pixels

WHITE = (255, 255, 255)


def to_rgb(picture: Image.Image, profile: bytes) -> Pixels:
    """uint8 [height, width, 3] of a loaded Pillow picture: sRGB, transparency over white, 16 bits to 8."""
    import numpy as np

    if picture.has_transparency_data:
        flat = over_white(picture)
    elif picture.mode.startswith(("I", "F")):
        flat = to_8_bits(picture)
    else:
        flat = picture
    return np.asarray(through_profile(flat, profile).convert("RGB"))


def to_srgb(pixels: Pixels, profile: bytes) -> Pixels:
    """RGB pixels through their ICC profile; unchanged where there is none."""
    import numpy as np
    from PIL import Image

    return np.asarray(through_profile(Image.fromarray(pixels), profile)) if profile else pixels


def over_white(picture: Image.Image) -> Image.Image:
    """An opaque RGB picture: what is transparent shows white."""
    from PIL import Image

    whole = picture.convert("RGBA")
    flat = Image.new("RGB", whole.size, WHITE)
    flat.paste(whole, mask=whole.getchannel("A"))
    return flat


def to_8_bits(picture: Image.Image) -> Image.Image:
    """Grey of 8 bits from integers (0 to 65535) or floating-point numbers (0 to 1, or 0 to 255)."""
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    scaled = (values * 255 if values.max(initial=0) <= 1 else values) if picture.mode == "F" else values / 257
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


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
