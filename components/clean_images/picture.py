"""One picture, from the bytes that came to the bytes that are trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from platen.artifacts.dataset import Drop, Row, Sample
from platen.components.clean_images.buckets import Size, fitting, sizes
from platen.components.clean_images.decode import decode
from platen.components.clean_images.encode import EXTENSIONS, encode
from platen.components.clean_images.measure import contrast, sharpness
from platen.components.clean_images.phash import phash
from platen.components.clean_images.probe import QUARTER_TURNS, UPRIGHT, Header, probe
from platen.components.clean_images.rejected import Rejected
from platen.components.clean_images.resize import centre_crop, thumbnail, to_size
from platen.components.clean_images.settings import CleanImagesSettings

if TYPE_CHECKING:
    from platen.components.clean_images.decode import Pixels

REPAIRED_ROTATION = "repaired_exif_rotation"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A picture at the training size, and a thumbnail of all that it showed before the crop, uint8 [16, 16, 3]."""

    sample: Sample
    thumbnail: Pixels


def clean_picture(sample: Sample, settings: CleanImagesSettings) -> Cleaned | Drop:
    """Make a training picture, or say why there is none. Whatever the bytes are, nothing else is raised."""
    try:
        return _clean(sample, settings)
    except Rejected as rejected:
        row = sample.row
        return Drop(row.key, rejected.reason, rejected.detail, row.source, row.caption)


def _clean(sample: Sample, settings: CleanImagesSettings) -> Cleaned:
    header = probe(sample.image, settings.max_pixels, settings.min_side)
    sides = _upright_sides(header)
    width, height = fitting(*sides, sizes(settings.resolution, settings.buckets))
    whole = decode(sample.image, header, _shorter_side(sides, (width, height)), settings.max_pixels)
    seen = contrast(whole)
    if seen < settings.min_contrast:
        raise Rejected("blank_image", f"contrast {seen:g}; a picture must have {settings.min_contrast:g}")
    cropped = to_size(centre_crop(whole, width, height), width, height)
    row = replace(
        sample.row,
        extension=EXTENSIONS[settings.format],
        width=width,
        height=height,
        phash=phash(whole),
        scores={**sample.row.scores, **_scores(header, seen, cropped)},
    )
    image = encode(cropped, settings.format, settings.quality)
    return Cleaned(Sample(row, image), thumbnail(whole))


def _upright_sides(header: Header) -> Size:
    turned = header.orientation in QUARTER_TURNS
    return (header.height, header.width) if turned else (header.width, header.height)


def _shorter_side(sides: Size, size: Size) -> int:
    """How long a picture's shorter side must be for its crop not to be smaller than the size."""
    scale = max(Fraction(size[0], sides[0]), Fraction(size[1], sides[1]))
    return math.ceil(min(sides) * scale)


def _scores(header: Header, seen: float, cropped: Pixels) -> dict[str, float]:
    sides = _upright_sides(header)
    scores = {
        "original_width": float(sides[0]),
        "original_height": float(sides[1]),
        "contrast": seen,
        "sharpness": sharpness(cropped),
    }
    return scores if header.orientation == UPRIGHT else {**scores, REPAIRED_ROTATION: 1.0}


def rows_repaired(rows: list[Row]) -> int:
    """How many of these pictures were turned upright."""
    return sum(REPAIRED_ROTATION in row.scores for row in rows)
