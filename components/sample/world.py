"""The world that the sample shows: one coloured shape on a plain background."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

Rgb = tuple[int, int, int]

COLOURS: dict[str, Rgb] = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (240, 200, 40),
}
SHAPES = ("circle", "square", "triangle")
BACKGROUNDS = {"white": 245, "black": 15}
TEMPLATES = (
    "a {thing} on a {background} background",
    "one {thing}, {background} background",
    "{thing} on {background}",
)
TEMPLATE_WEIGHTS = (0.60, 0.25, 0.15)

SIDES = range(96, 161, 16)  # pixels; so even that a resized copy has its centre exactly where the first one has it
HALF_SIZES = (0.26, 0.40)  # half of the shape's side, as a share of the picture's shorter side
SMALL, LARGE = 0.30, 0.36  # half sizes below and above which a caption may say so
OFF_CENTRE = 0.07  # as a share of the shorter side
INK_JITTER, GROUND_JITTER = 12, 6  # of 255, in each channel
SUPERSAMPLING = 4
THUMBNAIL = 32  # pixels
APART = 13.0  # RMS of 255 between thumbnails of two drawings; the same one encoded again stays below 6
UNNAMED = 0.1  # share of captions that leave the colour open, as people's captions do
ATTEMPTS = 500


@dataclass(frozen=True, slots=True)
class Combination:
    """What a picture shows."""

    colour: str
    shape: str
    background: str


COMBINATIONS = tuple(Combination(*words) for words in itertools.product(COLOURS, SHAPES, BACKGROUNDS))


@dataclass(frozen=True, slots=True)
class Scene:
    """One drawing, exactly.

    Attributes:
        centre: Of the shape, in pixels.
        half: Half of the shape's side, in pixels.
        share: The same as a share of the picture's shorter side.
    """

    shows: Combination
    width: int
    height: int
    centre: tuple[float, float]
    half: float
    share: float
    ink: Rgb
    ground: Rgb


def random_scene(random: Random, shows: Combination) -> Scene:
    """A scene of a combination. Everything of the shape lies in the square that a centre crop keeps."""
    width, height = random.choice(SIDES), random.choice(SIDES)
    side = min(width, height)
    share = random.uniform(*HALF_SIZES)
    centre = tuple(length / 2 + side * random.uniform(-OFF_CENTRE, OFF_CENTRE) for length in (width, height))
    grey = BACKGROUNDS[shows.background]
    return Scene(
        shows=shows,
        width=width,
        height=height,
        centre=(centre[0], centre[1]),
        half=share * side,
        share=share,
        ink=_jitter(random, COLOURS[shows.colour], INK_JITTER),
        ground=_jitter(random, (grey, grey, grey), GROUND_JITTER),
    )


def _jitter(random: Random, colour: Rgb, most: int) -> Rgb:
    red, green, blue = (min(255, max(0, value + random.randint(-most, most))) for value in colour)
    return red, green, blue


def render(scene: Scene) -> Image.Image:
    """The scene as an RGB picture, antialiased."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (scene.width * SUPERSAMPLING, scene.height * SUPERSAMPLING), 0)
    pen = ImageDraw.Draw(mask)
    x, y, half = (value * SUPERSAMPLING for value in (*scene.centre, scene.half))
    left, top, right, bottom = x - half, y - half, x + half - 1, y + half - 1
    match scene.shows.shape:
        case "circle":
            pen.ellipse((left, top, right, bottom), fill=255)
        case "square":
            pen.rectangle((left, top, right, bottom), fill=255)
        case _:
            pen.polygon([(x, top), (left, bottom), (right, bottom)], fill=255)
    picture = Image.new("RGB", (scene.width, scene.height), scene.ground)
    picture.paste(scene.ink, (0, 0, scene.width, scene.height), mask.reduce(SUPERSAMPLING))
    return picture


def describe(random: Random, scene: Scene) -> str:
    """A caption of the scene; half of those that could name the size do."""
    sizes = [name for name, fits in (("small", scene.share < SMALL), ("large", scene.share > LARGE)) if fits]
    colour = [scene.shows.colour] if random.random() >= UNNAMED else []
    words = [*(sizes if random.random() < 0.5 else []), *colour, scene.shows.shape]
    template = random.choices(TEMPLATES, TEMPLATE_WEIGHTS)[0]
    return template.format(thing=" ".join(words), background=scene.shows.background)


def thumbnail(picture: Image.Image) -> np.ndarray:
    """The centre square as float32 [3 * 32 * 32], 0 to 255: what near duplicates are told by."""
    import numpy as np
    from PIL import Image

    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    small = picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return np.asarray(small, dtype=np.float32).ravel()


class Gallery:
    """Makes scenes of which no two of the same combination look nearly the same."""

    def __init__(self, random: Random, apart: float = APART) -> None:
        self._random, self._apart = random, apart
        self._hung: dict[Combination, list[np.ndarray]] = {}

    def add(self, shows: Combination) -> tuple[Scene, Image.Image]:
        """A new scene and its picture, far enough from all others of its combination."""
        import numpy as np

        others = self._hung.setdefault(shows, [])
        for _ in range(ATTEMPTS):
            scene = random_scene(self._random, shows)
            picture = render(scene)
            small = thumbnail(picture)
            if not others or np.square(np.stack(others) - small).mean(axis=1).min() > self._apart**2:
                break
        else:
            raise _no_room(shows, len(others))
        others.append(small)
        return scene, picture


def _no_room(shows: Combination, drawn: int) -> Exception:
    from platen.core.errors import SettingsError

    what = f"no {drawn + 1}th {shows.colour} {shows.shape} that differs clearly from the others"
    return SettingsError("sample.pictures", what, "a smaller number of pictures")
