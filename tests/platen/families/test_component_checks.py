"""Configurations of text encoders and schedulers: their libraries' defaults, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from platen.core.errors import InputError
from platen.families.component_checks import TEXT_DEFAULTS, check_levels, check_scheduler, read_text_encoder


def write(folder: Path, name: str = "config.json", **values: Any) -> Path:
    (folder / name).write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize("name", TEXT_DEFAULTS)
def test_the_defaults_are_those_of_the_library(name: str) -> None:
    config = getattr(transformers, name).config_class()
    text = config.get_text_config() if name.startswith("Qwen") else config
    assert {field: getattr(text, field) for field in TEXT_DEFAULTS[name]} == TEXT_DEFAULTS[name]


def test_what_the_file_says_goes_over_the_defaults(tmp_path: Path) -> None:
    found = read_text_encoder(write(tmp_path, architectures=["T5EncoderModel"], d_model=64), "T5EncoderModel")
    assert (found["d_model"], found["vocab_size"]) == (64, 32128)


def test_of_a_model_that_reads_images_too_the_text_part_counts(tmp_path: Path) -> None:
    name = "Qwen2_5_VLForConditionalGeneration"
    write(tmp_path, architectures=[name], hidden_size=8, text_config={"hidden_size": 16, "vocab_size": 99})
    found = read_text_encoder(tmp_path, name)
    assert (found["hidden_size"], found["vocab_size"]) == (16, 99)


@pytest.mark.parametrize(
    ("name", "values", "fault"),
    [
        ("CLIPTextModel", {"architectures": ["T5EncoderModel"]}, r"architectures is \[\"T5EncoderModel\"\]"),
        ("CLIPTextModel", {"architectures": ["CLIPTextModel"], "hidden_size": 0}, r"hidden_size is 0"),
        ("CLIPTextModel", {"model_type": "clip_text_model", "projection_dim": "8"}, r'projection_dim is "8"'),
        ("Qwen3Model", {"architectures": ["Qwen3ForCausalLM"], "hidden_size": 8}, r"vocab_size is missing"),
    ],
    ids=["another_class", "no_width", "a_text", "no_default"],
)
def test_what_cannot_be_is_named_by_its_field(tmp_path: Path, name: str, values: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=rf"config\.json: {fault}"):
        read_text_encoder(write(tmp_path, **values), name)


def test_a_scheduler_names_its_class(tmp_path: Path) -> None:
    check_scheduler(write(tmp_path, "scheduler_config.json", _class_name="DDIMScheduler"))
    with pytest.raises(InputError, match=r"scheduler_config\.json: _class_name is missing"):
        check_scheduler(write(tmp_path, "scheduler_config.json", prediction_type="epsilon"))


@pytest.mark.parametrize("channels", [None, [], "8", [8, 0], [8, 1.5], {"a": 1}])
def test_levels_are_whole_numbers(channels: Any) -> None:
    check_levels(Path("c.json"), {"block_out_channels": [8, 16]})
    with pytest.raises(InputError, match=r"^c\.json: block_out_channels is .* Accepted: whole numbers"):
        check_levels(Path("c.json"), {"block_out_channels": channels})
