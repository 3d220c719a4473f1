"""The frozen encoders of a base model, from images and captions to the arrays that are stored."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from platen.components.encode.settings import EncodeSettings
from platen.core.devices import pick_device
from platen.families.base import Family


class Encoder:
    """Encodes images to scaled latents, and captions to the conditions that a family's network reads."""

    def __init__(self, family: Family, base: Path, settings: EncodeSettings) -> None:
        torch.set_num_threads(settings.threads)
        self.dtype = np.dtype(settings.dtype)
        device = pick_device(settings.device, "encode.device")
        self.encoders = family.encoders(base, device, tokens=settings.text == "tokens")

    def encode_images(self, files: Sequence[bytes]) -> list[np.ndarray]:
        """Encode image files of one size to a latent (channels, height / f, width / f) each."""
        pixels = torch.stack([to_pixels(data) for data in files])
        return list(self._stored(self.encoders.encode_images(pixels)))

    def encode_captions(self, captions: Sequence[str]) -> dict[str, list[np.ndarray]]:
        """Encode captions to named conditions, an array per caption."""
        found = self.encoders.encode_captions(captions)
        return {name: [self._stored(tensor) for tensor in tensors] for name, tensors in found.items()}

    def _stored(self, tensor: torch.Tensor) -> np.ndarray:
        if tensor.is_floating_point():
            return tensor.float().cpu().numpy().astype(self.dtype)
        array: np.ndarray = tensor.cpu().numpy()
        return array.astype(np.int32) if array.dtype == np.int64 else array  # token ids


def to_pixels(data: bytes) -> torch.Tensor:
    """Decode an image file to (3, height, width) in [-1, 1]."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1.0
