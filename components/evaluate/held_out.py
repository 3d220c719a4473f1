"""A model as the held-out loss looks at it: fixed noise at fixed levels, and how well it is predicted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from platen.artifacts.dataset import Sample, chunks
from platen.components.evaluate.pictures import decode, resize
from platen.core.errors import InputError
from platen.core.telemetry import progress
from platen.families.base import Conditions
from platen.families.batch import stack_conditions
from platen.families.generation import GenerationPipeline
from platen.tasks.diffusion.prediction_type import SCHEDULER, kind_of
from platen.tasks.diffusion.process import Process, build_process, squared_error


class Model:
    """A model in the parts that the loss needs, of whatever family.

    Args:
        folder: A diffusers folder.
        device: Where to compute.
    """

    def __init__(self, folder: Path, device: str) -> None:
        pipeline = GenerationPipeline.load(folder, device, "float32")
        self.size, self.family = pipeline.size, pipeline.family
        self.encoders, self.denoiser = pipeline.encoders(), pipeline.denoiser().eval()
        self.device = device

    def latents(self, samples: Sequence[Sample]) -> Tensor:
        """Encode images to latents (n, c, h, w), in the size the model was trained at."""
        images = [resize(decode(sample.image, sample.row.key), *self.size) for sample in samples]
        return self.encoders.encode_images(torch.from_numpy(np.stack(images)).to(self.device) * 2 - 1)

    def conditions(self, captions: Sequence[str]) -> Conditions:
        """Encode captions to what the model is conditioned on, a batch."""
        return stack_conditions(self.encoders.encode_captions(captions), self.family.variable_length)

    def predict(self, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Predict the target from noisy latents (n, c, h, w) at timesteps (n,)."""
        prediction: Tensor = self.denoiser(noisy, timesteps, conditions)
        return prediction


class Denoiser:
    """Measure a model's loss on fixed noise at fixed noise levels.

    Args:
        folder: A diffusers folder.
        levels: How many noise levels: positions at equal distances from no noise to noise alone.
        seed: Of the noise, which depends on it, the image's key and the level alone.
        device: Where to compute.
    """

    def __init__(self, folder: Path, levels: int, seed: int, device: str) -> None:
        self.model = Model(folder, device)
        self.process = process_of(folder)
        self.positions = [(level + 0.5) / levels for level in range(levels)]
        nothing = torch.zeros(levels, 1)
        _, timesteps, *_ = self.process.at(nothing, nothing, torch.tensor(self.positions, dtype=torch.float64))
        self.timesteps = [round(timestep) for timestep in timesteps.tolist()]  # names of the levels; a flow's are real
        self.seed = seed

    @torch.inference_mode()
    def losses(self, samples: Sequence[Sample]) -> Tensor:
        """Return the mean squared error of each image at each noise level, (n, levels)."""
        latents = self.model.latents(samples)
        conditions = self.model.conditions([sample.row.caption for sample in samples])
        keys = [sample.row.key for sample in samples]
        levels = zip(self.positions, self.timesteps, strict=True)
        return torch.stack([self._loss(latents, conditions, keys, *level) for level in levels], dim=1)

    def all_losses(self, samples: Iterable[Sample], total: int, batch_size: int) -> np.ndarray:
        """Return the losses (n, levels) of any number of images, batch by batch."""
        found = []
        with progress("held-out loss", total, "images") as advance:
            for batch in chunks(samples, batch_size):
                found.append(self.losses(batch).double().cpu().numpy())
                advance(len(batch))
        return np.concatenate(found) if found else np.zeros((0, len(self.timesteps)))

    def _loss(
        self, latents: Tensor, conditions: Conditions, keys: Sequence[str], position: float, level: int
    ) -> Tensor:
        noise = torch.stack([self.noise(latents.shape[1:], key, level) for key in keys]).to(latents)
        positions = torch.full((len(keys),), position, dtype=torch.float64)
        noisy, timesteps, target, _ = self.process.at(latents, noise, positions)
        return squared_error(self.model.predict(noisy, timesteps, conditions), target)

    def noise(self, shape: Sequence[int], key: str, level: int) -> Tensor:
        """Draw the noise of an image at a level, which its timestep names."""
        digest = hashlib.sha256(f"{self.seed} {key} {level}".encode()).digest()
        generator = torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        return torch.randn(tuple(shape), generator=generator)


def process_of(folder: Path) -> Process:
    """Build the forward process that a model was trained with, as its scheduler describes it."""
    config = json.loads((folder / SCHEDULER).read_bytes())
    kind = kind_of(config)
    if kind is None:
        raise InputError(
            f"{folder / SCHEDULER}: prediction_type {config['prediction_type']!r}. Accepted: epsilon, v_prediction, "
            "flow_prediction, sample"
        )
    return build_process(kind, config)
