"""The training loop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from platen.components.train.checkpoints.checkpoints import Checkpoints
from platen.components.train.data.encoded import Encoded
from platen.components.train.data.order import Order, micro_batches
from platen.components.train.job import Stopped
from platen.components.train.models.export import Probe
from platen.components.train.objectives.diffusion import Objective
from platen.components.train.optimization.ema import Ema
from platen.components.train.optimization.schedule import learning_rate
from platen.components.train.rank.stop import StopFlag
from platen.components.train.settings import TrainSettings
from platen.telemetry import log

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class Trainer:
    """One run of training, from wherever its newest checkpoint is to the last step."""

    settings: TrainSettings
    engine: Any  # deepspeed.DeepSpeedEngine
    data: Encoded
    order: Order
    objective: Objective
    ema: Ema
    checkpoints: Checkpoints
    stop: StopFlag
    device: torch.device

    def train(self, losses: list[float]) -> list[float]:
        """Train to the last step, from the losses of the steps done; the loss of every step. Collective.

        Raises Stopped, with a checkpoint saved, at the end of the step in which any rank got SIGTERM.
        """
        losses = list(losses)
        first, started = len(losses), time.monotonic()
        pending: list[Tensor] = []
        self.stop.listen()
        for step in range(first, self.settings.steps):
            pending.append(self.step(step))
            done = step + 1
            stops = self.stop.agreed()
            saves = stops or self.saves_at(done)
            if saves or done % self.settings.log_every == 0:
                losses += self.average(pending)
                pending = []
                self.say(done, losses[-1], (done - first) / (time.monotonic() - started))
            self.checkpoints.advance()
            if saves:
                self.checkpoints.save({"losses": losses})
            if stops:
                self.checkpoints.wait()
                raise Stopped(f"stopped by SIGTERM after step {done} of {self.settings.steps}; its checkpoint is saved")
        self.checkpoints.wait()
        self.stop.ignore()
        return losses

    def saves_at(self, done: int) -> bool:
        """Whether a checkpoint is due after this many steps: the last step is always kept."""
        return done % self.settings.checkpoints.every == 0 or done == self.settings.steps

    def step(self, step: int) -> Tensor:
        """One optimizer step; this rank's mean loss, a scalar."""
        for group in self.engine.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, step)
        self.engine.train()
        batch = self.order.batch(step)
        world, rank = dist.get_world_size(), dist.get_rank()
        rounds = micro_batches(self.settings.global_batch, self.settings.micro_batch, world, rank)
        total = torch.zeros((), device=self.device)
        self.data.expect(self.order.batch(step + 1)[np.concatenate(rounds)])
        for places in rounds:
            total += self.micro_step(batch, step, places) / len(rounds)
        self.ema.update(step)
        return total

    def micro_step(self, batch: Any, step: int, places: range) -> Tensor:
        """Forward and backward of one micro-batch; DeepSpeed updates the weights at the last one of a step."""
        noisy, timesteps, text, noised = self.inputs(batch, step, places)
        loss = self.objective.loss(self.engine(noisy, timesteps, text), noised)
        self.engine.backward(loss)
        self.engine.step()
        return loss.detach()

    def inputs(self, batch: Any, step: int, places: range) -> tuple[Tensor, Tensor, Tensor, Any]:
        """Noisy latents, timesteps and text of a micro-batch in the engine's precision, and what belongs to them."""
        dtype = DTYPES[self.settings.precision]
        arrays = self.data.read(batch[places.start : places.stop])
        latents, text = (torch.from_numpy(array).to(self.device) for array in arrays)
        noised = self.objective.noise(latents.float(), step, places)
        text[noised.dropped] = torch.from_numpy(self.data.unconditional).to(text)
        return noised.latents.to(dtype), noised.timesteps, text.to(dtype) if text.is_floating_point() else text, noised

    def probe(self) -> Probe:
        """A fixed micro-batch on which two models can be compared."""
        noisy, timesteps, text, _ = self.inputs(self.order.batch(0), 0, range(min(4, self.settings.global_batch)))
        return noisy, timesteps, text

    def average(self, losses: list[Tensor]) -> list[float]:
        """The mean of each step's loss over all ranks. Collective."""
        stacked = torch.stack(losses)
        dist.all_reduce(stacked)
        means: list[float] = (stacked / dist.get_world_size()).tolist()
        return means

    def say(self, done: int, loss: float, rate: float) -> None:
        """A progress line, from rank 0."""
        if dist.get_rank():
            return
        samples, left = rate * self.settings.global_batch, (self.settings.steps - done) / rate
        data = {"step": done, "steps": self.settings.steps, "loss": loss, "samples_per_second": samples}
        told = (done, self.settings.steps, loss, samples, left)
        log.info("train: step %d of %d, loss %.4f, %.0f samples/s, %.0f s left", *told, extra={"data": data})
