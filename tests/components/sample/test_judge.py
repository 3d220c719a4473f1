"""The judge: right on clean drawings, unsure where there is nothing to see."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from platen.artifacts.images import GeneratedImage, write_index
from platen.components.sample.judge import Seen, judge, judge_folder, shares, wanted
from platen.components.sample.world import COMBINATIONS, random_scene, render
from platen.core.errors import InputError


def at_training_size(picture: Image.Image, side: int = 64) -> Image.Image:
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    return picture.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + short, top + short))


def test_right_on_clean_drawings_at_training_size() -> None:
    random = Random(11)
    right = 0
    for number in range(1200):
        scene = random_scene(random, COMBINATIONS[number % 24])
        shows = scene.shows
        seen = judge(at_training_size(render(scene)))
        right += seen == Seen(shows.colour, shows.shape, shows.background)
    assert right / 1200 >= 0.995


def test_right_on_noisy_drawings() -> None:
    random, noise = Random(12), np.random.default_rng(12)
    right = 0
    for number in range(240):
        scene = random_scene(random, COMBINATIONS[number % 24])
        pixels = np.asarray(at_training_size(render(scene)), float)
        noisy = Image.fromarray((pixels + noise.normal(0, 12, pixels.shape)).clip(0, 255).astype(np.uint8))
        right += judge(noisy) == Seen(scene.shows.colour, scene.shows.shape, scene.shows.background)
    assert right / 240 >= 0.97


@pytest.mark.parametrize("grey", [245, 15])
def test_a_blank_picture_shows_a_background_only(grey: int) -> None:
    seen = judge(Image.new("RGB", (64, 64), (grey, grey, grey)))
    assert seen == Seen(background="white" if grey > 128 else "black")


def test_noise_is_no_shape() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    seen = judge(Image.fromarray(pixels))
    assert seen.shape is None
    assert seen.background is None


def test_other_colours_and_outlines_are_not_called_the_nearest() -> None:
    picture = Image.new("RGB", (64, 64), (245, 245, 245))
    ImageDraw.Draw(picture).rectangle((8, 28, 56, 34), fill=(190, 60, 255))
    assert judge(picture) == Seen(background="white")


def test_a_triangle_on_its_head_is_no_triangle() -> None:
    picture = Image.new("RGB", (64, 64), (15, 15, 15))
    ImageDraw.Draw(picture).polygon([(10, 10), (54, 10), (32, 54)], fill=(220, 40, 40))
    assert judge(picture) == Seen("red", None, "black")


def test_wanted_reads_what_a_prompt_says() -> None:
    assert wanted("one large blue square, black background") == Seen("blue", "square", "black")
    assert wanted("a circle on a white background") == Seen(None, "circle", "white")


def test_shares_count_only_what_was_asked() -> None:
    red = Seen("red", "circle", "white")
    result = shares(
        [(red, red), (red, Seen("red", None, "black")), (Seen(None, "circle", None), Seen("blue", "circle"))]
    )
    assert (result.pictures, result.colour, result.background) == (3, 1.0, 0.5)
    assert result.shape == result.right == pytest.approx(2 / 3)


def test_a_folder_is_judged_by_its_index(tmp_path: Path) -> None:
    random = Random(13)
    rows = []
    (tmp_path / "pictures").mkdir()
    for number, shows in enumerate(COMBINATIONS):
        at_training_size(render(random_scene(random, shows))).save(tmp_path / f"pictures/{number}.png")
        asked = "red" if number == 23 else shows.colour  # the last one is a yellow triangle
        prompt = f"a {asked} {shows.shape} on a {shows.background} background"
        rows.append(GeneratedImage(file=f"pictures/{number}.png", prompt=prompt, seed=0, group="grid"))
    write_index(tmp_path, rows)
    result = judge_folder(tmp_path)
    assert result.pictures == 24
    assert result.right == result.colour == pytest.approx(23 / 24)
    assert result.shape == result.background == 1.0


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"index\.jsonl: cannot be read"):
        judge_folder(tmp_path)
    write_index(tmp_path, [GeneratedImage(file="a.png", prompt="x", seed=0, group="other")])
    with pytest.raises(InputError, match="no image of group 'grid' among 1"):
        judge_folder(tmp_path)
