"""The limits for near duplicates hold on the sample world: every copy is called, no drawing is."""

from __future__ import annotations

from random import Random

import pytest

from platen.components.sample import faults
from platen.components.sample.world import COMBINATIONS, Gallery
from tests.components.merge.test_duplicates import near

DRAWINGS = 240


@pytest.mark.parametrize("seed", [0, 1])
def test_sample_world(seed: int) -> None:
    random = Random(seed)
    gallery = Gallery(random)
    pictures = [gallery.add(COMBINATIONS[number % len(COMBINATIONS)])[1] for number in range(DRAWINGS)]
    originals = [faults.encode(picture, random.choice(faults.SUFFIXES)) for picture in pictures]
    assert near(originals) == []
    copies = [faults.nearly_the_same(random, picture) for picture in pictures]
    assert near([*originals, *copies]) == list(range(DRAWINGS, 2 * DRAWINGS))
