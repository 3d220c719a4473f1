"""What is drawn: distinct pictures that show what their captions say."""

from __future__ import annotations

import itertools
from random import Random

import numpy as np
import pytest

from platen.components.sample.judge import Seen, judge, wanted
from platen.components.sample.world import COMBINATIONS, Combination, Gallery, describe, random_scene, render, thumbnail
from platen.core.errors import SettingsError


def test_drawings_of_one_combination_differ_clearly() -> None:
    gallery = Gallery(Random(1))
    small = [thumbnail(gallery.add(COMBINATIONS[3])[1]) for _ in range(60)]
    nearest = min(float(np.sqrt(np.square(a - b).mean())) for a, b in itertools.combinations(small, 2))
    assert nearest > 12.9


@pytest.mark.parametrize("seed", range(3))
def test_there_is_room_for_the_largest_sample(seed: int) -> None:
    gallery = Gallery(Random(seed))
    most = 1200 // len(COMBINATIONS) + 1 + 10  # clean ones, and ten faults of which there are twenty each
    drawn = [gallery.add(Combination("green", "triangle", "black")) for _ in range(most)]  # the faintest of all
    assert len(drawn) == most


def test_a_gallery_that_is_full_says_so() -> None:
    gallery = Gallery(Random(1), apart=80)
    with pytest.raises(SettingsError, match=r"sample\.pictures: no \d+th red circle"):
        for _ in range(100):
            gallery.add(COMBINATIONS[0])


@pytest.mark.parametrize("shows", COMBINATIONS, ids=lambda c: f"{c.colour}-{c.shape}-{c.background}")
def test_captions_say_what_is_drawn(shows) -> None:  # type: ignore[no-untyped-def]
    random = Random(5)
    for _ in range(10):
        scene = random_scene(random, shows)
        want = wanted(describe(random, scene))
        assert (want.shape, want.background) == (shows.shape, shows.background)
        assert want.colour in (shows.colour, None)
        assert judge(render(scene)) == Seen(shows.colour, shows.shape, shows.background)


def test_one_caption_in_ten_leaves_the_colour_open() -> None:
    random = Random(7)
    captions = [describe(random, random_scene(random, COMBINATIONS[number % 24])) for number in range(2000)]
    assert 0.07 < sum(wanted(caption).colour is None for caption in captions) / 2000 < 0.13


def test_the_shape_survives_a_centre_crop() -> None:
    random = Random(6)
    for number in range(200):
        scene = random_scene(random, COMBINATIONS[number % 24])
        side = min(scene.width, scene.height)
        for middle, length in zip(scene.centre, (scene.width, scene.height), strict=True):
            assert abs(middle - length / 2) + scene.half <= side / 2 + 1e-9
