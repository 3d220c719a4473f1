"""A training loop as diffusers' examples have it: accelerate with its DeepSpeed plugin, a DataLoader, EMAModel.

Written from what such a loop does, for comparison: prepare, accumulate, backward, clip, step, average, gather the loss.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel, compute_snr
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from platen.artifacts.encoded import EncodedDataset
from platen.components.train.job import Job


class DiffusersLoop:
    """The same model, samples, batch, precision, optimizer and objective as a job's, at a ZeRO stage.

    Args:
        job: In fp32, without gradient accumulation.
    """

    def __init__(self, job: Job, stage: int) -> None:
        from accelerate import Accelerator, DeepSpeedPlugin

        settings, base = job.settings, Path(job.base)
        self.gamma, self.clip = settings.objective.gamma("v"), settings.optimizer.clip_gradient
        say_world()
        plugin = DeepSpeedPlugin(zero_stage=stage, gradient_accumulation_steps=1, gradient_clipping=self.clip)
        self.accelerator = Accelerator(mixed_precision="no", deepspeed_plugin=plugin)
        self.schedule = DDPMScheduler.from_pretrained(base / "scheduler")
        unet = UNet2DConditionModel.from_pretrained(base / "unet", low_cpu_mem_usage=False).train()
        # at ZeRO-3 diffusers 0.42.1's average ends in a NameError at its first step
        self.ema = EMAModel(unet.parameters(), decay=settings.ema.decay) if stage < 3 else None
        rate = settings.optimizer.learning_rate
        optimizer = torch.optim.AdamW(unet.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01)
        warmup = settings.optimizer.warmup_steps
        scheduler = get_scheduler("cosine", optimizer, num_warmup_steps=warmup, num_training_steps=settings.steps)
        loader = DataLoader(samples(Path(job.encoded)), batch_size=settings.micro_batch, shuffle=True, drop_last=True)
        prepared = self.accelerator.prepare(unet, optimizer, loader, scheduler)
        self.unet, self.optimizer, self.loader, self.scheduler = prepared
        if self.unet.zero_optimization_stage() != stage:
            raise SystemExit(f"accelerate did not set up ZeRO-{stage}; nothing was measured")

    def steps(self) -> Iterator[float]:
        """The loss of each optimizer step, as they are asked for, without end."""
        while True:
            for latents, text in self.loader:
                yield self.step(latents, text)

    def step(self, latents: torch.Tensor, text: torch.Tensor) -> float:
        """One step; the mean loss over all ranks."""
        with self.accelerator.accumulate(self.unet):
            loss = self.loss(latents, text)
            mean = self.accelerator.gather(loss.detach().repeat(len(latents))).mean()
            self.accelerator.backward(loss)
            if self.accelerator.sync_gradients:
                self.accelerator.clip_grad_norm_(self.unet.parameters(), self.clip)
            self.optimizer.step()
            self.scheduler.step()
            self.optimizer.zero_grad()
        if self.ema and self.accelerator.sync_gradients:
            self.ema.step(self.unet.parameters())
        return float(mean)

    def loss(self, latents: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Mean squared error of v, weighted by min-SNR."""
        noise = torch.randn_like(latents)
        timesteps = torch.randint(self.schedule.config.num_train_timesteps, (len(latents),))
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        target = self.schedule.get_velocity(latents, noise, timesteps)
        prediction = self.unet(noisy, timesteps, text, return_dict=False)[0]
        snr = compute_snr(self.schedule, timesteps)
        weight = snr.clamp(max=self.gamma) / (snr + 1)
        error = functional.mse_loss(prediction.float(), target.float(), reduction="none").mean(dim=(1, 2, 3))
        return (error * weight).mean()

    def export(self, folder: Path) -> None:
        """What such a script ends with: the main process saves the unwrapped model."""
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.accelerator.unwrap_model(self.unet).save_pretrained(folder)
        self.accelerator.wait_for_everyone()

    def predict(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """What the live model predicts. Collective."""
        with torch.no_grad():
            found: torch.Tensor = self.unet(*inputs, return_dict=False)[0]
        return found


def say_world() -> None:
    """Have accelerate use DeepSpeed with the ranks there are: without a GPU it would take itself for the only one.

    Left alone it runs plain data-parallel training on CPUs, whatever ZeRO stage it was asked for.
    """
    import torch.distributed as dist
    from accelerate import PartialState

    os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    state = PartialState()
    state.backend, state.num_processes = dist.get_backend(), dist.get_world_size()
    state.process_index = state.local_process_index = dist.get_rank()


def samples(folder: Path) -> TensorDataset:
    """All samples of an encoded folder, in memory."""
    import numpy as np

    data = EncodedDataset(folder)
    arrays: Any = data.read(np.arange(len(data)))
    return TensorDataset(*(torch.from_numpy(arrays[name]) for name in ("latents", "prompt_embeds")))
