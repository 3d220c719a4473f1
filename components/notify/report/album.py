"""Pictures inside the page, as data URIs, small enough that the page stays easy to send."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platen.core.stage import Folder

FORMATS = ("PNG", "JPEG", "WEBP")
SIDE = 128  # pixels; larger pictures are scaled down to it
SMALL = 12 * 1024  # bytes; a picture of at most these and SIDE is taken as it is
MOST_PIXELS = 64_000_000  # of a picture that is decoded to be scaled down
ROOM = 2 * 1024 * 1024  # bytes of pictures in one page, as data URIs


@dataclass
class Album:
    """Turns pictures into data URIs until the room is used up."""

    left: int = ROOM
    refused: int = 0

    def add_file(self, path: Path) -> str | None:
        """A picture file as a data URI; None where it is no picture, or the page is full."""
        try:
            return self.add(path.read_bytes())
        except OSError:
            return None

    def add(self, data: bytes) -> str | None:
        """A picture as a data URI; None where it is no picture, or the page is full."""
        uri = as_uri(data)
        if uri is None:
            return None
        if len(uri) > self.left:
            self.refused += 1
            return None
        self.left -= len(uri)
        return uri


def as_uri(data: bytes) -> str | None:
    """A thumbnail as a data URI; None where the bytes are no picture of a known format, or one too large to decode."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with refusing(Image.DecompressionBombWarning), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return None
            if len(data) <= SMALL and max(picture.size) <= SIDE:
                return _uri(f"image/{(picture.format or '').lower()}", data)
            small = ImageOps.exif_transpose(picture).convert("RGB")
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        ValueError,
        SyntaxError,
    ):
        return None
    small.thumbnail((SIDE, SIDE))
    sink = io.BytesIO()
    small.save(sink, "JPEG", quality=85)
    return _uri("image/jpeg", sink.getvalue())


@contextmanager
def refusing(category: type[Warning]) -> Iterator[None]:
    """Raise what would be a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", category)
        yield


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def below(folder: Folder, names: Iterable[str]) -> dict[str, Path]:
    """Those files that a folder's manifest lists, where they can be read; so no row leads out of the folder."""
    listed = {file.path for file in folder.manifest.files}.intersection(names)
    path = folder.part(*listed) if listed else None
    return {name: path / name for name in listed} if path else {}
