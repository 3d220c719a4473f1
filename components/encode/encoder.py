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


class Encoder:
    """Pictures to scaled latents, captions to what the UNet's cross-attention reads."""

    def __init__(self, base: Path, settings: EncodeSettings) -> None:
        torch.set_num_threads(settings.threads)
        self.device = torch.device(pick_device(settings.device, "encode.device"))
        self.dtype = np.dtype(settings.dtype)
        self.keeps_tokens = settings.text == "tokens"
        self.vae: Any = self._load(AutoencoderKL, base, "vae")
        self.text_encoder: Any = self._load(CLIPTextModel, base, "text_encoder")
        self.tokenizer = CLIPTokenizer.from_pretrained(base / "tokenizer")

    def _load(self, kind: Any, base: Path, part: str) -> torch.nn.Module:
        try:
            model: torch.nn.Module = kind.from_pretrained(base / part)
        except (OSError, ValueError) as error:
            raise InputError(f"{base / part}: cannot be loaded as {kind.__name__}: {error}") from error
        return model.eval().requires_grad_(False).to(self.device)

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
        ids = self.tokenizer(
            list(captions),
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        if self.keeps_tokens:
            tokens: np.ndarray = ids.numpy().astype(np.int32)
            return tokens
        return self._stored(self.text_encoder(ids.to(self.device))[0])

    def _stored(self, tensor: torch.Tensor) -> np.ndarray:
        return tensor.float().cpu().numpy().astype(self.dtype)


def to_pixels(data: bytes) -> torch.Tensor:
    """An encoded picture to (3, height, width) in [-1, 1]."""
    with Image.open(io.BytesIO(data)) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1.0
