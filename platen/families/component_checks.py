"""Check the components that families share, by their JSON files alone: text encoders, tokenizers, scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platen.core.errors import InputError
from platen.core.manifest import Json
from platen.families.layout import CONFIG, WholeNumber, check_fields, check_tokenizer, read_config, read_json

SCHEDULER = "scheduler_config.json"
Configs = Mapping[str, Mapping[str, Json]]
"""The config.json of each model of a folder, by the component's name."""

CLIP = {"hidden_size": 512, "vocab_size": 49408, "max_position_embeddings": 77, "projection_dim": 512}
T5 = {"d_model": 512, "vocab_size": 32128}
QWEN_VL = {"vocab_size": 152064}
TEXT_DEFAULTS: Mapping[str, Mapping[str, Json]] = {
    "CLIPTextModel": CLIP,
    "CLIPTextModelWithProjection": CLIP,
    "T5EncoderModel": T5,
    "Qwen2_5_VLForConditionalGeneration": QWEN_VL,
}
"""What transformers takes for fields that a text encoder's config.json lacks, by class."""
ALSO_READS: Mapping[str, tuple[str, ...]] = {
    "CLIPTextModel": ("clip_text_model",),
    "CLIPTextModelWithProjection": ("clip_text_model",),
    "T5EncoderModel": ("T5ForConditionalGeneration", "t5"),
    "Qwen3Model": ("Qwen3ForCausalLM", "qwen3"),  # as Z-Image is published
    "Qwen3ForCausalLM": ("qwen3",),
}
"""Other architectures, or a model_type where there are none, whose config and weights a text encoder's class reads."""


def read_text_encoder(folder: Path, class_name: str) -> dict[str, Json]:
    """Read a text encoder's config with its library's defaults; that of the text part where it reads images too.

    Args:
        folder: Of the component.
        class_name: That model_index.json names.

    Raises:
        InputError: It is another class's, or the size of its vocabulary or its width is none.
    """
    config = read_config(folder, (class_name, *ALSO_READS.get(class_name, ())))
    text = config.get("text_config")
    config = {**TEXT_DEFAULTS.get(class_name, {}), **config, **(text if isinstance(text, dict) else {})}
    width = "d_model" if "d_model" in config else "hidden_size"
    sizes = ("vocab_size", width, *(CLIP if is_clip(class_name) else ()))
    check_fields(folder / CONFIG, config, dict.fromkeys(sizes, WholeNumber()))
    return config


def is_clip(class_name: str) -> bool:
    """Whether a text encoder is CLIP's, which has a place for each token and reads no more than those."""
    return class_name.startswith("CLIPText")


def check_component_tokenizer(folder: Path, text_encoder: Mapping[str, Any], class_name: str) -> None:
    """Raise InputError for a tokenizer that doesn't fit the text encoder of this config and class."""
    longest = text_encoder["max_position_embeddings"] if is_clip(class_name) else None
    check_tokenizer(folder, vocabulary=text_encoder["vocab_size"], max_length=longest)


def check_scheduler(folder: Path) -> None:
    """Raise InputError unless a folder has the configuration of a scheduler."""
    file = folder / SCHEDULER
    if not isinstance(read_json(file).get("_class_name"), str):
        raise InputError(f"{file}: _class_name is missing. Accepted: the name of a scheduler class of diffusers")


def check_levels(file: Path, config: Mapping[str, Json]) -> None:
    """Raise InputError unless block_out_channels has whole numbers."""
    channels = config.get("block_out_channels")
    whole = isinstance(channels, list) and all(isinstance(number, int) and number > 0 for number in channels)
    if not channels or not whole:
        raise InputError(f"{file}: block_out_channels is {channels!r:.80}. Accepted: whole numbers, one per level")
