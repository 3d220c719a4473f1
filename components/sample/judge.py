"""What a picture of the sample world shows, by its pixels alone."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platen.artifacts.images import INDEX, read_index
from platen.components.sample.world import BACKGROUNDS, COLOURS, SHAPES
from platen.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

BACKGROUND_WITHIN = 60.0  # of 255, in the channel that is farthest off
COLOUR_WITHIN = 110.0  # Euclidean distance in RGB
CONTRAST = 60.0  # Euclidean distance in RGB between the shape and the background
SMALLEST = 0.03  # share of the picture that a shape covers
SQUARE_WITHIN = 1.5  # longer side of the bounding box by the shorter one
OVERLAP = 0.70  # intersection over union with the ideal shape of the same bounding box; a wave costs 0.2 at 20 pixels
SOLID = 0.90  # share of its outline's inside that a shape fills; noise is full of holes
LEAD = 0.03  # over the next best shape: a perfect circle overlaps a square by 0.79


@dataclass(frozen=True, slots=True)
class Seen:
    """What the judge sees; None where it is not sure."""

    colour: str | None = None
    shape: str | None = None
    background: str | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """How many pictures show what their prompt says, of those whose prompt says it.

    Attributes:
        pictures: How many were judged.
        right: Colour and shape as the prompt says, where it says them.
        everything: Colour, shape and background.
        colour, shape, background: Each by itself.
    """

    pictures: int
    right: float
    everything: float
    colour: float
    shape: float
    background: float


def judge(picture: Image.Image) -> Seen:
    """What a picture shows: its background by the border, the colour and outline of what stands out from it."""
    import numpy as np

    pixels = np.asarray(picture.convert("RGB"), dtype=np.float32)
    ground = _border_colour(pixels)
    background = _nearest_background(ground)
    shape = _largest_part(pixels, ground)
    if shape is None:
        return Seen(background=background)
    return Seen(_nearest_colour(pixels, shape), _nearest_shape(shape), background)


def wanted(prompt: str) -> Seen:
    """What a prompt of the sample world asks for; None for what it leaves open."""
    words = prompt.lower().replace(",", " ").split()
    return Seen(*(next((word for word in words if word in known), None) for known in (COLOURS, SHAPES, BACKGROUNDS)))


def judge_folder(folder: Path, group: str | None = "grid") -> Shares:
    """How often the pictures of a folder show what they were asked for.

    Args:
        folder: Of generated images; see `platen.artifacts.images`.
        group: Rows to judge; None for all.

    Raises:
        InputError: There is no index, or it has no such row.
        CorruptError: The index is broken.
    """
    from PIL import Image

    rows = read_index(folder)
    chosen = [row for row in rows if group is None or row.group == group]
    if not chosen:
        raise InputError(f"{folder / INDEX}: no image of group {group!r} among {len(rows)}")
    pairs = []
    for row in chosen:
        with Image.open(folder / row.file) as picture:
            pairs.append((wanted(row.prompt), judge(picture)))
    return shares(pairs)


def shares(pairs: Iterable[tuple[Seen, Seen]]) -> Shares:
    """Shares over pairs of (asked for, seen). A prompt that leaves something open does not count there."""
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for want, seen in pairs:
        hits = {name: getattr(seen, name) == word for name, word in asdict(want).items() if word is not None}
        asked.update([*hits, "right", "everything"])
        right.update(name for name, hit in hits.items() if hit)
        right["right"] += hits.get("colour", True) and hits.get("shape", True)
        right["everything"] += all(hits.values())
    names = ("right", "everything", "colour", "shape", "background")
    return Shares(asked["right"], *(right[name] / asked[name] if asked[name] else 0.0 for name in names))


def _border_colour(pixels: np.ndarray) -> np.ndarray:
    import numpy as np

    edges = (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:])
    colour: np.ndarray = np.median(np.concatenate([edge.reshape(-1, 3) for edge in edges]), axis=0)
    return colour


def _nearest_background(ground: np.ndarray) -> str | None:
    name = min(BACKGROUNDS, key=lambda name: abs(BACKGROUNDS[name] - float(ground.mean())))
    return name if abs(ground - BACKGROUNDS[name]).max() <= BACKGROUND_WITHIN else None


def _largest_part(pixels: np.ndarray, ground: np.ndarray) -> np.ndarray | None:
    """The largest connected part that differs from the background, as a boolean [height, width]."""
    import cv2
    import numpy as np

    away = np.linalg.norm(pixels - ground, axis=2)
    typical = float(np.percentile(away, 98))  # inside the shape, which covers more than 2 % of any sample
    if typical < CONTRAST:
        return None
    _, labels, stats, _ = cv2.connectedComponentsWithStats((away > typical / 2).astype(np.uint8), connectivity=4)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    if stats[largest, cv2.CC_STAT_AREA] < SMALLEST * away.size:
        return None
    part: np.ndarray = labels == largest
    return part


def _nearest_colour(pixels: np.ndarray, shape: np.ndarray) -> str | None:
    import cv2
    import numpy as np

    inner = cv2.erode(shape.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)  # without the blended edge
    mean = pixels[inner if inner.any() else shape].mean(axis=0)
    far = {name: float(np.linalg.norm(mean - np.array(colour))) for name, colour in COLOURS.items()}
    name = min(far, key=far.__getitem__)
    return name if far[name] <= COLOUR_WITHIN else None


def _nearest_shape(shape: np.ndarray) -> str | None:
    """The ideal shape of the same bounding box that overlaps most."""
    import numpy as np

    rows, columns = np.flatnonzero(shape.any(axis=1)), np.flatnonzero(shape.any(axis=0))
    box = shape[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if max(box.shape) > SQUARE_WITHIN * min(box.shape) or box.sum() < SOLID * _filled(box).sum():
        return None
    overlaps = {name: _overlap(box, ideal(name, *box.shape)) for name in SHAPES}
    name, second = sorted(overlaps, key=overlaps.__getitem__, reverse=True)[:2]
    clear = overlaps[name] >= OVERLAP and overlaps[name] - overlaps[second] >= LEAD
    return name if clear else None


def _filled(box: np.ndarray) -> np.ndarray:
    """The same part without its holes."""
    import cv2
    import numpy as np

    outlines, _ = cv2.findContours(box.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(box.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, thickness=cv2.FILLED)
    return filled


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@functools.lru_cache(maxsize=1024)
def ideal(shape: str, height: int, width: int) -> np.ndarray:
    """The shape that fills a bounding box, as a boolean [height, width]."""
    import numpy as np

    y = ((np.arange(height) + 0.5) / height)[:, None]
    x = ((np.arange(width) + 0.5) / width)[None, :]
    inside = {
        "circle": (x - 0.5) ** 2 + (y - 0.5) ** 2 <= 0.25,
        "square": (x >= 0) & (y >= 0),
        "triangle": np.abs(x - 0.5) <= y / 2,
    }
    filled: np.ndarray = inside[shape]
    return filled
