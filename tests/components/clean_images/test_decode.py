"""Bytes to pixels, also hostile ones."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from platen.artifacts.dataset import Drop, Row, Sample
from platen.components.clean_images.colour import to_rgb
from platen.components.clean_images.decode import decode
from platen.components.clean_images.picture import Cleaned, clean_picture
from platen.components.clean_images.probe import ORIENTATION, pillow_limits, probe
from platen.components.clean_images.rejected import Rejected
from platen.components.clean_images.settings import CleanImagesSettings
from tests.tiny_dataset import drawing, encoded

CAP = 1_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def pixels(data: bytes, shorter_side: int = 10_000) -> np.ndarray:
    return decode(data, probe(data, CAP, 1), shorter_side, CAP)


def far(one: np.ndarray, two: Image.Image) -> float:
    return float(np.abs(one.astype(float) - np.asarray(two.convert("RGB"), float)).mean())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(picture: Image.Image, name: str) -> None:
    found = pixels(encoded(picture, name))
    assert found.shape == (100, 120, 3)
    assert found.dtype == np.uint8
    assert far(found, picture) < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation(photo: Image.Image, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(photo, name, exif=exif)
    with Image.open(io.BytesIO(data)) as stored:
        expected = ImageOps.exif_transpose(stored).convert("RGB")
    found = pixels(data)
    assert found.shape[:2] == ((240, 320) if orientation < 5 else (320, 240))
    assert far(found, expected) < 2


def test_orientation_of_cmyk_jpeg(photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    found = pixels(encoded(photo.convert("CMYK"), "JPEG", exif=exif, quality=95))
    assert far(found, photo.transpose(Image.Transpose.ROTATE_270)) < 6


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpeg_of_other_colours(photo: Image.Image, mode: str) -> None:
    assert far(pixels(encoded(photo.convert(mode), "JPEG", quality=95)), photo.convert(mode)) < 6


def test_large_jpeg_is_decoded_smaller(photo: Image.Image) -> None:
    large = photo.resize((2560, 1920), Image.Resampling.BICUBIC)
    data = encoded(large, "JPEG", quality=90)
    header = probe(data, 10**7, 1)
    found = decode(data, header, 256, 10**7)
    assert 256 <= min(found.shape[:2]) < 500
    assert far(found, large.resize(found.shape[1::-1], Image.Resampling.BOX)) < 4


def test_transparency_shows_white(picture: Image.Image) -> None:
    holed = picture.convert("RGBA")
    holed.paste((0, 0, 0, 0), (0, 0, 60, 100))
    for data in (encoded(holed), encoded(holed, "WEBP", lossless=True), encoded(holed.quantize(64, method=2))):
        found = pixels(data)
        assert (found[50, 10] > 245).all()
        assert far(found[:, 60:], picture.crop((60, 0, 120, 100))) < 12


def test_grey_with_transparency_and_palette(picture: Image.Image) -> None:
    assert far(pixels(encoded(picture.convert("LA"))), picture.convert("L")) < 1
    assert far(pixels(encoded(picture.quantize(32))), picture.quantize(32)) < 1
    assert far(pixels(encoded(picture.convert("1"))), picture.convert("1")) < 1


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_grey(dtype: type) -> None:
    ramp = np.tile(np.linspace(0, 1, 256), (40, 1))
    deep = Image.fromarray((ramp if dtype is np.float32 else ramp * 65535).astype(dtype))
    found = pixels(encoded(deep, "TIFF"))
    assert np.abs(found[0, :, 0].astype(int) - np.arange(256)).max() <= 1
    assert (found[..., 0] == found[..., 2]).all()


def test_whether_floats_go_to_1_or_to_255_is_judged_by_the_whole_picture() -> None:
    values = np.full((700, 600), 0.5, np.float32)  # more than one strip
    assert (pixels(encoded(Image.fromarray(values), "TIFF")) == 128).all()
    values[-1] = 200
    found = pixels(encoded(Image.fromarray(values), "TIFF"))
    assert (found[:-1] == 0).all()
    assert (found[-1] == 200).all()


def transparent(picture: Image.Image) -> Image.Image:
    holed = picture.convert("RGBA")
    holed.putalpha(picture.convert("L"))
    return holed


def deep(picture: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257)


@pytest.mark.parametrize("make", [Image.Image.copy, transparent, deep], ids=["RGB", "RGBA", "16 bits"])
def test_a_large_picture_is_converted_with_little_memory_beside_it(
    photo: Image.Image, make: Callable[[Image.Image], Image.Image]
) -> None:
    picture = make(photo.resize((2400, 1800), Image.Resampling.BICUBIC))
    top = to_rgb(picture.crop((0, 0, 2400, 10)), b"")
    tracemalloc.start()
    found = to_rgb(picture, b"")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found[:10] == top).all()
    assert peak < 2 * found.nbytes


def test_first_frame_of_an_animation(picture: Image.Image) -> None:
    frames = [picture, drawing(2), drawing(3)]
    for name in ("GIF", "PNG", "WEBP"):
        data = encoded(frames[0], name, save_all=True, append_images=frames[1:])
        assert far(pixels(data), picture) < 8


def test_profile_is_applied(picture: Image.Image) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = pixels(encoded(picture, icc_profile=lab))
    assert far(same, picture) < 1
    swapped = bytearray(lab)  # a profile whose red and blue primaries have changed places
    red, blue = swapped.index(b"rXYZ"), swapped.index(b"bXYZ")
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    for name in ("PNG", "JPEG"):
        found = pixels(encoded(picture, name, icc_profile=bytes(swapped)))
        assert far(found, Image.merge("RGB", picture.split()[::-1])) < 6


def test_broken_profile_is_left_aside(picture: Image.Image) -> None:
    assert far(pixels(encoded(picture, icc_profile=b"no profile")), picture) == 0
    assert far(pixels(encoded(picture, "JPEG", icc_profile=b"no profile")), picture) < 4


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8, 0.95])
@pytest.mark.parametrize("name", FORMATS)
def test_truncated(photo: Image.Image, name: str, share: float) -> None:
    data = encoded(photo, name)
    with pytest.raises(Rejected) as caught:
        pixels(data[: int(len(data) * share)])
    assert caught.value.reason in (("truncated_image",) if name != "TIFF" else ("truncated_image", "corrupt_image"))


@given(cut=st.floats(0, 1))
@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_truncated_anywhere(name: str, cut: float) -> None:
    data = encoded(drawing(5), name)
    least = data.index(b"\xff\xda" if name == "JPEG" else b"IDAT") + 16
    with pytest.raises(Rejected) as caught:
        pixels(data[: max(least, int((len(data) - 40) * cut))])
    assert caught.value.reason == "truncated_image"


@pytest.fixture(scope="session")
def large(photo: Image.Image) -> Image.Image:
    return photo.resize((1024, 768), Image.Resampling.BICUBIC)


JPEGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_blocks": 8},
    "progressive with restart markers": {"progressive": True, "restart_marker_rows": 1},
}


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
def test_jpeg_that_is_cut_but_has_its_end_mark(
    large: Image.Image, options: dict[str, bool], mode: str, share: float
) -> None:
    data = encoded(large.convert(mode), "JPEG", **options)
    for shorter_side in (256, 10_000):
        with pytest.raises(Rejected) as caught:
            pixels(data[: int(len(data) * share)] + b"\xff\xd9", shorter_side)
        assert caught.value.reason == "truncated_image"


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
def test_jpeg_that_is_whole_whatever_comes_behind_it(large: Image.Image, options: dict[str, bool], mode: str) -> None:
    data = encoded(large.convert(mode), "JPEG", quality=95, **options)
    for behind in (b"", b"\0" * 100, b"junk" * 1000, b"\xff\xd9"):
        assert far(pixels(data + behind), large.convert(mode)) < 6


def test_damage_in_the_middle_is_not_truncation(photo: Image.Image) -> None:
    data = bytearray(encoded(photo))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(Rejected) as caught:
        pixels(bytes(data))
    assert caught.value.reason == "corrupt_image"


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
