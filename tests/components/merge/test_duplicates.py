"""Pictures that are there twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from platen.components.clean_images.picture import Cleaned, clean_picture
from platen.components.clean_images.settings import CleanImagesSettings
from platen.components.merge import duplicates
from platen.components.merge.duplicates import exact_duplicates, near_duplicates, rms
from platen.components.merge.join import Candidate
from platen.components.merge.settings import MergeSettings
from tests.tiny_dataset import drawing, encoded, sample

IMAGES = CleanImagesSettings(resolution=64, min_side=16, format="png")
LIMITS = MergeSettings()


def near(files: Sequence[bytes], max_distance: int = LIMITS.max_distance) -> list[int]:
    """Which of some files, in their order, are near duplicates of one before them."""
    candidates, thumbnails = [], []
    for number, data in enumerate(files):
        cleaned = clean_picture(sample(number, image=data), IMAGES)
        assert isinstance(cleaned, Cleaned)
        row = cleaned.sample.row
        aspect = row.scores["original_width"] / row.scores["original_height"]
        key = f"{number:016x}"
        candidates.append(Candidate(key, f"{number}.png", "", "00000", number, row.sha256, int(row.phash, 16), aspect))
        thumbnails.append(cleaned.thumbnail)
    stacked = np.stack(thumbnails)
    drops = near_duplicates(
        candidates, lambda some: stacked[[one.position for one in some]], max_distance, LIMITS.near_duplicate_rms
    )
    return [int(drop.key, 16) for drop in drops]


def shape(kind: str, colour: tuple[int, int, int], ground: int = 245, centre: int = 60, half: int = 30) -> Image.Image:
    picture = Image.new("RGB", (480, 480), (ground,) * 3)
    box = tuple(4 * value for value in (centre - half, 60 - half, centre + half, 60 + half))
    pen = ImageDraw.Draw(picture)
    if kind == "circle":
        pen.ellipse(box, fill=colour)
    else:
        pen.rectangle(box, fill=colour)
    return picture.resize((120, 120), Image.Resampling.BOX)


RED, BLUE, GREEN, YELLOW = (220, 40, 40), (40, 80, 220), (40, 160, 60), (240, 200, 40)


def copies(original: Image.Image) -> list[bytes]:
    smaller = original.resize(tuple(round(side * 0.85) for side in original.size), Image.Resampling.BICUBIC)
    larger = original.resize(tuple(round(side * 1.4) for side in original.size), Image.Resampling.BICUBIC)
    return [
        encoded(original, "JPEG", quality=75),
        encoded(original, "WEBP", quality=70),
        encoded(smaller),
        encoded(larger, "JPEG", quality=80),
        encoded(ImageEnhance.Brightness(smaller).enhance(1.05), "JPEG", quality=80),
        encoded(ImageEnhance.Brightness(original).enhance(0.94), "JPEG", quality=80),
    ]


@pytest.mark.parametrize(
    "original",
    [drawing(0), drawing(1), drawing(2), shape("circle", RED), shape("square", BLUE, 15), shape("circle", YELLOW)],
    ids=["boxes 0", "boxes 1", "boxes 2", "red circle", "blue square", "yellow circle"],
)
def test_copies_are_found(original: Image.Image) -> None:
    files = [encoded(original), *copies(original)]
    assert near(files) == list(range(1, len(files)))


def test_simple_pictures_that_differ_stay() -> None:
    files = [
        encoded(shape(kind, colour, ground, centre, half))
        for kind in ("circle", "square")
        for colour in (RED, BLUE, GREEN, YELLOW)
        for ground in (245, 15)
        for centre, half in ((60, 30), (52, 30), (60, 40))
    ]
    assert near(files) == []
    assert len(files) == 48


def test_red_and_blue_circle_at_the_same_place_share_their_hash_but_stay() -> None:
    blue = tuple(round(value * 0.92) for value in BLUE)  # nearly the same luma as the red
    files = [encoded(shape("circle", RED)), encoded(shape("circle", blue))]
    hashes = [clean_picture(sample(0, image=data), IMAGES).sample.row.phash for data in files]
    assert (int(hashes[0], 16) ^ int(hashes[1], 16)).bit_count() <= LIMITS.max_distance
    assert near(files) == []


def test_different_drawings_stay() -> None:
    assert near([encoded(drawing(number)) for number in range(100)]) == []


def test_the_first_stays_and_a_chain_breaks_at_it() -> None:
    original = drawing(5)
    assert near([*copies(original)[:3], encoded(original)]) == [1, 2, 3]
    assert near([encoded(original), encoded(drawing(6)), encoded(original), encoded(drawing(6))]) == [2, 3]


def test_no_distance_looks_for_none() -> None:
    original = encoded(drawing(5))
    assert near([original, original], max_distance=-1) == []
    assert near([original, original], max_distance=0) == [1]


class Untouched(list[Candidate]):
    """Candidates that nobody may look at."""

    def __iter__(self) -> Iterator[Candidate]:
        raise AssertionError("looked at")


def test_no_distance_does_not_compare_every_picture_with_every_other() -> None:
    alike = Untouched([Candidate("a", "", "", "00000", 0, "", 0, 1.0)] * 2)
    assert near_duplicates(alike, lambda _: np.zeros((0, 16, 16, 3), np.uint8), -1, LIMITS.near_duplicate_rms) == []


def test_blocks_and_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [encoded(drawing(number % 7)) for number in range(30)]
    whole = near(files)
    monkeypatch.setattr(duplicates, "BLOCK", 4)
    monkeypatch.setattr(duplicates, "TILE", 3)
    assert near(files) == whole == list(range(7, 30))


def test_rms_evens_out_brightness_but_not_colour() -> None:
    one = np.full((1, 4, 4, 3), 100, np.uint8)
    assert rms(one, np.full((4, 4, 3), 108, np.uint8))[0] == pytest.approx(0, abs=1e-3)
    assert rms(one, np.full((4, 4, 3), 200, np.uint8))[0] == pytest.approx(80, abs=1e-3)
    assert rms(one, np.array([140, 100, 60], np.uint8) * np.ones((4, 4, 3), np.uint8))[0] > 30


def test_exact_duplicates() -> None:
    first = Candidate("a", "a.png", "", "00000", 0, "11" * 32, 0, 1.0)
    again = replace(first, key="b", source="b.png")
    other = replace(first, key="c", sha256="22" * 32)
    drops = exact_duplicates([first, again, other, replace(again, key="d")])
    assert [(drop.key, drop.reason) for drop in drops] == [("b", "exact_duplicate"), ("d", "exact_duplicate")]
    assert drops[1].detail == "same bytes as a.png"
    assert near_duplicates([], lambda _: np.zeros((0, 16, 16, 3), np.uint8), 12, 7.5) == []
