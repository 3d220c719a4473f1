"""A CLIPModel that would score noise is refused by what it lacks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from platen.core.errors import InputError
from platen.core.stage import Folder
from platen.families.clip_scorer import PREPROCESSORS, check_clip_scorer

Weights = dict[str, np.ndarray]


@pytest.fixture
def clip(tiny_model: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model.path / "clip", tmp_path / "clip"))


def rewrite(folder: Path, change: Callable[[Weights], Weights]) -> None:
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")


def preprocessor(folder: Path, **values: Any) -> None:
    for name in PREPROCESSORS:
        (folder / name).unlink(missing_ok=True)
    (folder / PREPROCESSORS[0]).write_text(json.dumps(values))


def test_a_whole_one_passes_and_so_does_a_preprocessor_within_its_processor(clip: Path) -> None:
    check_clip_scorer(clip)
    for name in PREPROCESSORS:
        (clip / name).unlink(missing_ok=True)
    mean = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (clip / "processor_config.json").write_text(json.dumps({"image_processor": mean}))
    check_clip_scorer(clip)


@pytest.mark.parametrize("name", ["text_projection.weight", "visual_projection.weight", "logit_scale"])
def test_a_weight_that_would_be_drawn_at_random_is_missed(clip: Path, name: str) -> None:
    rewrite(clip, lambda weights: {key: value for key, value in weights.items() if key != name})
    with pytest.raises(InputError, match=rf"clip: the weights lack {name}"):
        check_clip_scorer(clip)


def test_projections_into_different_spaces_are_refused(clip: Path) -> None:
    rewrite(clip, lambda weights: {**weights, "text_projection.weight": np.zeros((3, 32), np.float32)})
    with pytest.raises(InputError, match=r"text_projection\.weight has the shape \[3, 32\]\. Accepted: "):
        check_clip_scorer(clip)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"image_mean": [0.5] * 3}, "image_std is None"),
        ({"image_mean": [0.5], "image_std": [0.5] * 3}, r"image_mean is \[0\.5\]"),
        ({"image_processor": 1}, "image_mean is None"),
    ],
)
def test_pixels_must_be_brought_to_what_it_was_trained_on(clip: Path, values: dict[str, Any], fault: str) -> None:
    preprocessor(clip, **values)
    with pytest.raises(InputError, match=rf"preprocessor_config\.json: {fault}\. Accepted: three numbers"):
        check_clip_scorer(clip)


def test_without_a_preprocessor_the_file_is_named(clip: Path) -> None:
    for name in PREPROCESSORS:
        (clip / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"preprocessor_config\.json: missing\. Accepted: .* or processor_config"):
        check_clip_scorer(clip)
