"""The diffusion loss on pictures that the model was not trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from platen.components.evaluate.metric import Metric, mean, tidy
from platen.components.evaluate.pictures import decode, resize
from platen.components.evaluate.settings import EvaluateSettings
from platen.dataset import Sample, chunks
from platen.errors import InputError
from platen.manifest import Json
from platen.telemetry import progress

UNIT = "mean squared error"


class Denoiser:
    """A text-to-image model, asked to take fixed noise off.

    Args:
        model: A diffusers folder.
        levels: How many noise levels, at equal distances over the schedule.
        seed: Of the noise; the noise of a picture depends on it, the picture's key and the level alone.
        device: Where to compute.
    """

    def __init__(self, model: Path, levels: int, seed: int, device: str) -> None:
        from diffusers import DDPMScheduler, DiffusionPipeline
        from diffusers.utils import logging

        logging.disable_progress_bar()  # of the loading of five files
        try:
            self.pipeline: Any = DiffusionPipeline.from_pretrained(model, local_files_only=True).to(device)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{model}: not a model that diffusers loads: {error}") from error
        # What the sampler of a model is, differs; the noise it was trained on is described the same way by all.
        self.scheduler = DDPMScheduler.from_config(self.pipeline.scheduler.config)
        steps = self.scheduler.config["num_train_timesteps"]
        self.timesteps = [round((level + 0.5) * steps / levels) for level in range(levels)]
        self.seed, self.device = seed, device

    @property
    def predicts(self) -> str:
        """What the network predicts: epsilon, v_prediction, sample or flow_prediction."""
        config = self.pipeline.scheduler.config
        flows = type(self.pipeline.scheduler).__name__.startswith("FlowMatch")
        return "flow_prediction" if flows else str(config.get("prediction_type", "epsilon"))

    @torch.inference_mode()
    def losses(self, samples: Sequence[Sample]) -> Tensor:
        """The mean squared error of each picture at each noise level, (n, levels)."""
        latents = self._latents(samples)
        text = self.pipeline.encode_prompt([sample.row.caption for sample in samples], self.device, 1, False)[0]
        keys = [sample.row.key for sample in samples]
        return torch.stack([self._loss(latents, text, keys, timestep) for timestep in self.timesteps], dim=1)

    def _loss(self, latents: Tensor, text: Tensor, keys: Sequence[str], timestep: int) -> Tensor:
        noise = torch.stack([self._noise(latents.shape[1:], key, timestep) for key in keys]).to(latents)
        when = torch.full((len(keys),), timestep, device=latents.device)
        noisy = self._noisy(latents, noise, when)
        target = self._target(latents, noise, when)
        found: Tensor = self.pipeline.unet(noisy, when, encoder_hidden_states=text).sample
        return (found.double() - target.double()).square().mean(dim=(1, 2, 3))

    def _noisy(self, latents: Tensor, noise: Tensor, when: Tensor) -> Tensor:
        if self.predicts == "flow_prediction":
            sigma = (when / self.scheduler.config["num_train_timesteps"]).view(-1, 1, 1, 1)
            straight: Tensor = (1 - sigma) * latents + sigma * noise
            return straight
        noisy: Tensor = self.scheduler.add_noise(latents, noise, when)
        return noisy

    def _target(self, latents: Tensor, noise: Tensor, when: Tensor) -> Tensor:
        if self.predicts == "epsilon":
            return noise
        if self.predicts == "sample":
            return latents
        if self.predicts == "flow_prediction":
            return noise - latents
        velocity: Tensor = self.scheduler.get_velocity(latents, noise, when)
        return velocity

    def _noise(self, shape: Sequence[int], key: str, timestep: int) -> Tensor:
        digest = hashlib.sha256(f"{self.seed} {key} {timestep}".encode()).digest()
        generator = torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        return torch.randn(tuple(shape), generator=generator)

    def _latents(self, samples: Sequence[Sample]) -> Tensor:
        vae = self.pipeline.vae
        side = self.pipeline.unet.config["sample_size"] * self.pipeline.vae_scale_factor
        pictures = [resize(decode(sample.image, sample.row.key), side) for sample in samples]
        pixels = torch.from_numpy(np.stack(pictures)).to(self.device) * 2 - 1
        latents: Tensor = vae.encode(pixels).latent_dist.mode()
        shift, scale = vae.config.get("shift_factor") or 0.0, float(vae.config["scaling_factor"])
        return (latents - shift) * scale


def measure(
    denoiser: Denoiser, samples: Iterable[Sample], total: int, settings: EvaluateSettings
) -> tuple[Metric, list[dict[str, Json]]]:
    """The held-out loss, each picture one sample, and its mean at each noise level."""
    found = []
    with progress("held-out loss", total, "pictures") as advance:
        for batch in chunks(samples, settings.batch_size):
            found.append(denoiser.losses(batch).cpu().numpy())
            advance(len(batch))
    losses = np.concatenate(found) if found else np.zeros((0, len(denoiser.timesteps)))
    note = f"{denoiser.predicts}, {len(denoiser.timesteps)} noise levels a picture"
    metric = mean(losses.mean(axis=1).tolist(), settings.confidence, settings.min_samples, UNIT, "lower", note)
    if metric.value is None:
        return metric, []
    levels = zip(denoiser.timesteps, losses.mean(axis=0).tolist(), strict=True)
    return metric, [{"timestep": timestep, "value": tidy(value)} for timestep, value in levels]
