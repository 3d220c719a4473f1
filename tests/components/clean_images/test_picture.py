"""Whatever comes becomes a training picture or a drop that says why."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platen.artifacts.dataset import Drop, Row, Sample
from platen.components.clean_images.picture import Cleaned, clean_picture
from platen.components.clean_images.probe import pillow_limits
from platen.components.clean_images.settings import CleanImagesSettings
from tests.components.clean_images.decoding import FORMATS
from tests.tiny_dataset import drawing, encoded

WHOLE = {name: encoded(drawing(9, (40, 30)), name) for name in FORMATS}
SETTINGS = CleanImagesSettings(resolution=16, min_side=4, max_pixels=3000, format="png")


def judged(data: bytes) -> Cleaned | Drop:
    with pillow_limits(SETTINGS.max_pixels):
        return clean_picture(Sample(Row("k", "c"), data), SETTINGS)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_random_bytes(data: bytes) -> None:
    result = judged(data)
    assert isinstance(result, Drop)
    assert result.reason in ("corrupt_image", "truncated_image", "too_small")


@given(st.data())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_files(data: st.DataObject) -> None:
    """Whatever is done to a file, it becomes a training picture or a drop, and nothing above the cap is decoded."""
    file = bytearray(WHOLE[data.draw(st.sampled_from(FORMATS))])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(file) - 1, 400)))
        file[place] = data.draw(st.integers(0, 255))
    result = judged(bytes(file[: data.draw(st.integers(len(file) // 2, len(file)))]))
    if isinstance(result, Drop):
        assert result.reason in ("corrupt_image", "truncated_image", "too_small", "too_large", "blank_image")
        assert result.detail
    else:
        scores = result.sample.row.scores
        assert scores["original_width"] * scores["original_height"] <= SETTINGS.max_pixels
