"""The training loop."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from platen.artifacts.encoded import LATENTS, EncodedDataset
from platen.components.train.checkpoints.checkpoints import Checkpoints
from platen.components.train.data.batch import batch_conditions, move_conditions
from platen.components.train.data.order import Order, micro_batches
from platen.components.train.job import Stopped
from platen.components.train.measure.meter import CHECKPOINT, COMMUNICATION, DATA, Meter
from platen.components.train.models.denoiser import Pretrained
from platen.components.train.models.export import Probe
from platen.components.train.optimization.ema import Ema
from platen.components.train.optimization.schedule import learning_rate
from platen.components.train.rank.deterministic import seed_model
from platen.components.train.rank.guard import Guard, Losses
from platen.components.train.rank.rollback import give_up_after, losses_of
from platen.components.train.rank.stop import Reason, StopFlag
from platen.components.train.settings import TrainSettings
from platen.core.telemetry import log
from platen.tasks.diffusion.objective import Objective

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class Trainer:
    """One run of training, from wherever its newest checkpoint is to the last step."""

    settings: TrainSettings
    base: Pretrained
    engine: Any  # deepspeed.DeepSpeedEngine
    data: EncodedDataset
    order: Order
    objective: Objective
    ema: Ema
    checkpoints: Checkpoints
    stop: StopFlag
    guard: Guard
    meter: Meter
    device: torch.device
    since: tuple[int, float] = (0, 0.0)  # steps done, and when: the rate counts from here

    def train(self, losses: Losses) -> Losses:
        """Train to the last step, from the losses of the steps done; the loss of every step. Collective.

        Raises Stopped, with a checkpoint saved, at the end of the step in which any rank was told to stop.
        """
        losses = self.without_what_is_left_out(list(losses))
        self.since = len(losses), time.monotonic()
        self.stop.listen()
        self.meter.begin(self.ema, len(losses))
        while len(losses) < self.settings.steps:
            losses = self.go_on(losses)
        with self.meter.waiting(CHECKPOINT):
            self.checkpoints.wait()
        self.meter.end(losses)
        self.stop.ignore()
        return losses

    def go_on(self, losses: Losses) -> Losses:
        """One step, and what is due after it; where the guard rolls back, fewer losses than before. Collective."""
        self.meter.step(len(losses))
        losses.append(self.step(len(losses), losses))
        back = self.guard.rolls_back_to()
        if back is not None:
            return self.go_back(back)
        done = len(losses)
        with self.meter.waiting(COMMUNICATION):
            stops = self.stop.agreed()
        saves = bool(stops) or self.saves_at(done)
        if saves or done % self.settings.log_every == 0:
            self.say(losses)
            self.meter.tell(losses, saves=saves)
        self.save(losses, now=saves)
        if stops:
            self.end(stops, done)
        return losses

    def save(self, losses: Losses, *, now: bool) -> None:
        """Bring a save that is under way further, and begin one where it is due. Collective."""
        with self.meter.waiting(CHECKPOINT):
            self.checkpoints.advance()
            if now:
                self.checkpoints.save({"losses": list(losses)})  # it is written while the next ones are added
        self.stop.note_saving(self.checkpoints.busy)

    def end(self, reason: Reason, done: int) -> None:
        """Raise Stopped once the checkpoint is committed. Collective."""
        self.checkpoints.wait()
        seconds = self.stop.waited()
        raise Stopped(
            f"stopped by {reason.words} after step {done} of {self.settings.steps}, {seconds:.1f} s after it was told; "
            "its checkpoint is saved",
            reason.code,
        )

    def go_back(self, step: int) -> Losses:
        """Go on from the newest checkpoint that has not trained on this step. Collective."""
        self.checkpoints.wait()
        give_up_after(self.guard.shared, step)
        losses = losses_of(self.checkpoints.restore(), self.guard.shared)
        self.since = len(losses), time.monotonic()
        return losses

    def without_what_is_left_out(self, losses: Losses) -> Losses:
        """Finish a roll back that was broken off: go back as long as a batch was trained on that is left out."""
        while (step := self.guard.contradiction(losses)) is not None:
            losses = self.go_back(step)
        return losses

    def saves_at(self, done: int) -> bool:
        """Whether a checkpoint is due after this many steps: the last step is always kept."""
        return done % self.settings.checkpoints.every == 0 or done == self.settings.steps

    def step(self, step: int, before: Losses) -> float | None:
        """One optimizer step; the mean loss of its batch, None where the guard left it out. Collective."""
        if not self.guard.opens(step):
            return None
        for group in self.engine.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, step)
        self.engine.train()
        batch = self.order.batch(step)
        world, rank = dist.get_world_size(), dist.get_rank()
        rounds = micro_batches(self.settings.global_batch, self.settings.micro_batch, world, rank)
        self.data.prefetch(self.order.batch(step + 1)[np.concatenate(rounds)])
        parts: list[Tensor] = []
        for places in rounds:
            loss = self.forward(batch, step, places)
            parts.append(loss.detach())
            if len(parts) == len(rounds):
                loss = self.guard.admit(step, loss, parts, before)
            self.engine.backward(loss)
            self.engine.step()  # DeepSpeed updates the weights at the last one of a step
        if self.guard.applied(step, self.engine, before):
            self.ema.update(step)
        return self.guard.loss

    def forward(self, batch: Any, step: int, places: range) -> Tensor:
        """The loss of one micro-batch, a scalar."""
        seed_model(self.settings.seed, step, places.start)
        noisy, timesteps, conditions, noised = self.inputs(batch, step, places)
        return self.objective.loss(self.engine(noisy, timesteps, conditions), noised)

    def inputs(self, batch: Any, step: int, places: range) -> tuple[Tensor, Tensor, dict[str, Tensor], Any]:
        """Make noisy latents, timesteps and conditions in the engine's precision, and their targets."""
        dtype = DTYPES[self.settings.precision]
        with self.meter.waiting(DATA):
            arrays = self.data.read(batch[places.start : places.stop])
        latents = torch.as_tensor(arrays[LATENTS]).to(self.device)
        noised = self.objective.noise(latents.float(), step, places)
        conditions = batch_conditions(self.data, arrays, noised.dropped.tolist())
        return noised.latents.to(dtype), noised.timesteps, move_conditions(conditions, self.device, dtype), noised

    def probe(self) -> Probe:
        """A fixed micro-batch on which two models can be compared."""
        places = range(min(4, self.settings.global_batch))
        noisy, timesteps, conditions, _ = self.inputs(self.order.batch(0), 0, places)
        return noisy, timesteps, conditions

    def say(self, losses: Losses) -> None:
        """A progress line, from rank 0, with the last loss that there is."""
        if dist.get_rank():
            return
        done, (first, started) = len(losses), self.since
        rate = (done - first) / (time.monotonic() - started)
        loss = next((loss for loss in reversed(losses) if loss is not None), math.nan)
        samples, left = rate * self.settings.global_batch, (self.settings.steps - done) / rate
        data = {"step": done, "steps": self.settings.steps, "loss": loss, "samples_per_second": samples}
        told = (done, self.settings.steps, loss, samples, left)
        log.info("train: step %d of %d, loss %.4f, %.0f samples/s, %.0f s left", *told, extra={"data": data})
