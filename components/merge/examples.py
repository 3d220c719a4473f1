"""Small pictures of what was dropped, for the report."""

from __future__ import annotations

import io
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from platen.artifacts.dataset import Drop, read_shard
from platen.core.storage import write_file

if TYPE_CHECKING:
    from PIL import Image

A_REASON = 6  # pictures
SIDE = 128  # pixels
MAX_PIXELS = 50_000_000  # of a picture that is decoded for this
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
QUALITY = 85


def choose(drops: Iterable[tuple[str, Drop]]) -> dict[str, dict[str, str]]:
    """From (shard, drop): the first few of each reason, as shard to key to reason."""
    chosen: defaultdict[str, dict[str, str]] = defaultdict(dict)
    counted: Counter[str] = Counter()
    for shard, drop in drops:
        counted[drop.reason] += 1
        if counted[drop.reason] <= A_REASON:
            chosen[shard][drop.key] = drop.reason
    return dict(chosen)


def write_examples(dataset: Path, chosen: Mapping[str, Mapping[str, str]], out: Path) -> None:
    """Write `<reason>/<key>.jpg` for those whose bytes are there and can be decoded."""
    for shard, reasons in chosen.items():
        for sample in read_shard(dataset, shard):
            reason = reasons.get(sample.row.key)
            small = shrink(sample.image) if reason else None
            if reason and small:
                write_file(out / reason / f"{sample.row.key}.jpg", small)


def shrink(data: bytes) -> bytes | None:
    """A JPEG of at most SIDE pixels a side; None for what cannot be decoded, or not without harm."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    return None
                picture.draft("RGB", (SIDE, SIDE))
                small = ImageOps.exif_transpose(picture)
                small.thumbnail((SIDE, SIDE))
                return _jpeg(small)
        except MemoryError:
            raise
        except Exception:  # dropped pictures are broken in every way; one that cannot be shown is not shown
            return None


def _jpeg(picture: Image.Image) -> bytes:
    from PIL import Image

    whole = picture.convert("RGBA")
    flat = Image.new("RGB", whole.size, (255, 255, 255))
    flat.paste(whole, mask=whole.getchannel("A"))
    data = io.BytesIO()
    flat.save(data, "JPEG", quality=QUALITY)
    return data.getvalue()
