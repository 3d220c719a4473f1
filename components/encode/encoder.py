"""The frozen encoders of a Stable Diffusion folder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from platen.components.encode.settings import EncodeSettings
from platen.devices import pick_device
from platen.errors import InputError

ACCEPTED = "a diffusers folder of Stable Diffusion 1.x or 2.x, safetensors weights and a whole tokenizer in it"
TOLD_APART = ("a red circle", "a dog asleep")  # of one length: not told apart by how long they are


class Encoder:
    """Pictures to scaled latents, captions to what the UNet's cross-attention reads."""

    def __init__(self, base: Path, settings: EncodeSettings) -> None:
        torch.set_num_threads(settings.threads)
        self.device = torch.device(pick_device(settings.device, "encode.device"))
        self.dtype = np.dtype(settings.dtype)
        self.keeps_tokens = settings.text == "tokens"
        self.vae = load_model(AutoencoderKL, base / "vae").to(self.device)
        self.text_encoder = load_model(CLIPTextModel, base / "text_encoder").to(self.device)
        self.tokenizer = load_tokenizer(base / "tokenizer", self.text_encoder.config.vocab_size)

    @torch.inference_mode()
    def pictures(self, files: Sequence[bytes]) -> np.ndarray:
        """Encoded pictures of one size to latents (n, channels, height / f, width / f): mode, shifted and scaled."""
        pixels = torch.stack([to_pixels(data) for data in files]).to(self.device)
        config = self.vae.config
        latents = self.vae.encode(pixels).latent_dist.mode()
        latents = (latents - (config.get("shift_factor") or 0.0)) * config["scaling_factor"]
        return self._stored(latents)

    @torch.inference_mode()
    def captions(self, captions: Sequence[str]) -> np.ndarray:
        """Captions to embeddings (n, tokens, width), or to token ids (n, tokens)."""
        ids = token_ids(self.tokenizer, captions)
        if self.keeps_tokens:
            tokens: np.ndarray = ids.numpy().astype(np.int32)
            return tokens
        return self._stored(self.text_encoder(ids.to(self.device))[0])

    def _stored(self, tensor: torch.Tensor) -> np.ndarray:
        return tensor.float().cpu().numpy().astype(self.dtype)


def load_model(kind: Any, folder: Path) -> Any:
    """A frozen model in fp32. Raises InputError where it cannot be loaded, or a weight would stay as it was drawn."""
    # sizes that do not match are let through to be named below: the libraries' own errors do not say which they are
    model, told = _load(kind, folder, output_loading_info=True, ignore_mismatched_sizes=True)
    for fault, names in (("lacks", told["missing_keys"]), ("has other sizes of", told["mismatched_keys"])):
        if names:
            first = min(name if isinstance(name, str) else name[0] for name in names)
            raise InputError(
                f"{folder}: {fault} {len(names)} weights of its config.json, as {first}. Accepted: {ACCEPTED}"
            )
    return model.float().eval().requires_grad_(False)  # transformers 5 loads what the file has, diffusers fp32


def load_tokenizer(folder: Path, vocabulary: int) -> Any:
    """A tokenizer that fits a text encoder. Raises InputError for one that tells no captions apart or has more ids."""
    tokenizer = _load(CLIPTokenizer, folder)
    one, other = token_ids(tokenizer, TOLD_APART).tolist()
    if one == other:
        raise InputError(f"{folder}: gives all captions the same ids; its words are missing. Accepted: {ACCEPTED}")
    highest = max(tokenizer.get_vocab().values())
    if highest >= vocabulary:
        raise InputError(
            f"{folder}: has ids up to {highest}; accepted: ids below {vocabulary}, the vocabulary of the text encoder"
        )
    return tokenizer


def token_ids(tokenizer: Any, captions: Sequence[str]) -> torch.Tensor:
    """Token ids (n, tokens), padded and cut to the length that the tokenizer names."""
    ids: torch.Tensor = tokenizer(
        list(captions),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return ids


def _load(kind: Any, folder: Path, **options: bool) -> Any:
    try:
        return kind.from_pretrained(folder, **options)
    except MemoryError:
        raise
    except Exception as error:  # on files that do not fit the libraries raise what they like
        raise InputError(f"{folder}: cannot be loaded as {kind.__name__}: {error}. Accepted: {ACCEPTED}") from error


def to_pixels(data: bytes) -> torch.Tensor:
    """An encoded picture to (3, height, width) in [-1, 1]."""
    with Image.open(io.BytesIO(data)) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1.0
