"""Check a CLIPModel that scores how well images fit prompts."""

from __future__ import annotations

from pathlib import Path

from platen.core.errors import InputError
from platen.families.layout import check_tokenizer, read_config, read_json, tensor_shapes, weight_files

PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
PROJECTIONS = ("text_projection.weight", "visual_projection.weight", "logit_scale")
WORDS = "text_model.embeddings.token_embedding.weight"


def check_clip_scorer(folder: Path, variant: str | None = None) -> None:
    """Raise InputError unless a folder holds a whole CLIPModel with both projections, tokenizer and preprocessor.

    transformers loads a model without its projections, and a tokenizer without its words, all the same: every score
    would be noise.
    """
    read_config(folder, ("CLIPModel", "clip"))
    shapes = tensor_shapes(weight_files(folder, ".", variant))
    for name in (*PROJECTIONS, WORDS):
        if name not in shapes:
            raise InputError(f"{folder}: the weights lack {name}. Accepted: a CLIPModel with both projections")
    (text, width), (vision, _) = (shapes[name].shape for name in PROJECTIONS[:2])
    vocabulary, embedded = shapes[WORDS].shape
    if text != vision or width != embedded:
        raise InputError(
            f"{folder}: text_projection.weight has the shape {[text, width]}. Accepted: {[vision, embedded]}, by "
            f"visual_projection and token_embedding"
        )
    check_tokenizer(folder, vocabulary=vocabulary)
    _check_preprocessor(folder)


def _check_preprocessor(folder: Path) -> None:
    path = next((folder / name for name in PREPROCESSORS if (folder / name).is_file()), None)
    if path is None:
        raise InputError(f"{folder / PREPROCESSORS[0]}: missing. Accepted: {' or '.join(PREPROCESSORS)}")
    values = read_json(path)
    values = values.get("image_processor", values)
    for field in ("image_mean", "image_std"):
        value = values.get(field) if isinstance(values, dict) else None
        if not isinstance(value, list) or len(value) != 3:
            raise InputError(f"{path}: {field} is {value!r:.80}. Accepted: three numbers, of red, green and blue")
