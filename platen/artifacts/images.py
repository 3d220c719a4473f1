"""Generated images: a folder of PNG files and `index.jsonl`, one row per image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from platen.core.errors import CorruptError, InputError
from platen.core.manifest import canonical
from platen.core.storage import write_file

INDEX = "index.jsonl"


class GeneratedImage(BaseModel):
    """One row of the index.

    Attributes:
        file: Path of the PNG, relative to the folder.
        prompt: What it was generated from.
        seed: Of its noise.
        group: That it is counted in afterwards.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)  # of a newer version what is known is enough

    file: str
    prompt: str
    seed: int
    group: str


def image_file(number: int) -> str:
    """Name the file of the image with this number: `pictures/00000.png`."""
    return f"pictures/{number:05d}.png"


def write_index(folder: Path, images: Sequence[GeneratedImage]) -> None:
    """Write the index of a folder of generated images."""
    write_file(folder / INDEX, b"".join(canonical(image.model_dump()) + b"\n" for image in images))


def read_index(folder: Path) -> list[GeneratedImage]:
    """Read the index of a folder of generated images, in order.

    Raises:
        InputError: There is none that can be read.
        CorruptError: It is empty, or a line is not a row; names the line and the field.
    """
    path = folder / INDEX
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); `platen generate` writes one") from None
    images = []
    for number, line in enumerate(lines, start=1):
        try:
            images.append(GeneratedImage.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(["", *(str(part) for part in first["loc"])])
            raise CorruptError(
                f"{path}: not an index of generated images: line {number}{where}: {first['msg']}"
            ) from None
    if not images:
        raise CorruptError(f"{path}: not an index of generated images: it is empty")
    return images
