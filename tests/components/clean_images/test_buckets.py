"""Sizes by shape."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from platen.components.clean_images.buckets import fitting, kept_share, sizes
from platen.components.clean_images.picture import Cleaned, clean_picture
from platen.components.clean_images.settings import BucketSettings, CleanImagesSettings
from platen.core.errors import SettingsError
from platen.core.settings import build
from tests.tiny_dataset import encoded, sample

settings = st.builds(
    CleanImagesSettings,
    resolution=st.sampled_from([64, 256, 512, 1024, 2048]),
    buckets=st.builds(BucketSettings, max_ratio=st.floats(1, 4), step=st.sampled_from([8, 16, 32, 64])),
)


@given(settings)
def test_sizes_hold_to_what_is_set(chosen: CleanImagesSettings) -> None:
    assert chosen.buckets is not None
    found = sizes(chosen.resolution, chosen.buckets)
    square, step = chosen.resolution**2, chosen.buckets.step
    assert (chosen.resolution, chosen.resolution) in found
    assert {(height, width) for width, height in found} == set(found)
    for width, height in found:
        assert width % step == height % step == 0
        assert max(width, height) <= chosen.buckets.max_ratio * min(width, height)
        assert square - step * max(width, height) < width * height <= square


@given(settings, st.integers(1, 5000), st.integers(1, 5000))
def test_no_other_size_keeps_more_of_a_picture(chosen: CleanImagesSettings, width: int, height: int) -> None:
    found = sizes(chosen.resolution, chosen.buckets)
    taken = kept_share(width, height, fitting(width, height, found))
    assert taken == max(kept_share(width, height, size) for size in found)


def test_stable_diffusions_sizes() -> None:
    assert sizes(512, BucketSettings()) == ((384, 640), (448, 576), (512, 512), (576, 448), (640, 384))
    assert sizes(512, None) == ((512, 512),)


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("came", "wanted"), [((900, 300), (40, 24)), ((300, 301), (32, 32)), ((90, 200), (24, 40)), ((40, 24), (40, 24))]
)
def test_a_picture_becomes_the_size_that_fits(name: str, came: tuple[int, int], wanted: tuple[int, int]) -> None:
    chosen = CleanImagesSettings(resolution=32, min_side=16, buckets=BucketSettings(step=8), format="png")
    drawn = Image.linear_gradient("L").resize(came).convert("RGB")
    cleaned = clean_picture(sample(1, image=encoded(drawn, name)), chosen)
    assert isinstance(cleaned, Cleaned)
    assert Image.open(io.BytesIO(cleaned.sample.image)).size == wanted
    assert (cleaned.sample.row.width, cleaned.sample.row.height) == wanted


def test_a_picture_that_was_turned_goes_by_its_upright_shape() -> None:
    exif = Image.Exif()
    exif[274] = 6
    drawn = Image.linear_gradient("L").resize((200, 90)).convert("RGB")
    chosen = CleanImagesSettings(resolution=32, min_side=16, buckets=BucketSettings(step=8))
    cleaned = clean_picture(sample(1, image=encoded(drawn, "JPEG", exif=exif)), chosen)
    assert isinstance(cleaned, Cleaned)
    assert (cleaned.sample.row.width, cleaned.sample.row.height) == (24, 40)


def test_a_square_that_is_no_bucket_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"resolution 520 is not a multiple of buckets\.step 64; change one"):
        build(CleanImagesSettings, {"resolution": 520, "buckets": {}}, "run.yaml", "clean_images")
