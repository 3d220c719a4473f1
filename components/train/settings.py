"""Settings of train."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from platen.components.train.checkpoints.settings import CheckpointSettings
from platen.components.train.data.settings import DataSettings
from platen.components.train.kubernetes.settings import JobSettings
from platen.components.train.objectives.settings import ObjectiveSettings
from platen.components.train.optimization.settings import EmaSettings, OptimizerSettings
from platen.components.train.parallel.settings import ZeroSettings
from platen.settings import Settings


class TrainSettings(Settings):
    """How the UNet is trained.

    What says how the work is shared out (ranks, micro-batch, ZeRO, ...) is no part of the model's identity: it changes
    no more than the last digits, and a training goes on where another number of ranks has left it.
    """

    steps: int = Field(10_000, ge=1, description="optimizer steps, 1 or more")
    global_batch: int = Field(64, ge=1, description="samples a step, over all ranks; divisible by ranks x micro_batch")
    micro_batch: int = Field(
        8, ge=1, description="samples a rank holds at once; the rest is gradient accumulation", exclude=True
    )
    ranks: int = Field(2, ge=1, description="processes that share the work, 1 or more", exclude=True)
    threads: int = Field(1, ge=1, description="CPU threads a rank", exclude=True)
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "bf16", description="fp32, bf16, or fp16 (GPUs only, with dynamic loss scaling)"
    )
    gradient_checkpointing: bool = Field(
        False, description="recompute activations in the backward pass: less memory", exclude=True
    )
    seed: int = Field(0, ge=0, description="seed of sample order, noise and timesteps")
    data: DataSettings = Field(DataSettings(), description="what is trained on, and how often")
    objective: ObjectiveSettings = Field(ObjectiveSettings(), description="what a step minimises")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="the optimizer and its learning rate")
    ema: EmaSettings = Field(EmaSettings(), description="the average of the weights, which is what is exported")
    zero: ZeroSettings = Field(ZeroSettings(), description="how the model is split over the ranks", exclude=True)
    checkpoints: CheckpointSettings = Field(
        CheckpointSettings(), description="when training is saved, and what is kept", exclude=True
    )
    log_every: int = Field(50, ge=1, description="steps between two progress lines", exclude=True)
    job: JobSettings | None = Field(
        None, description="train as a PyTorchJob on the cluster; null: on this machine", exclude=True
    )

    @model_validator(mode="after")
    def _batch_divides(self) -> TrainSettings:
        if self.global_batch % (self.ranks * self.micro_batch):
            raise ValueError(
                f"global_batch {self.global_batch} is not divisible by ranks {self.ranks} x micro_batch "
                f"{self.micro_batch}; change one of the three"
            )
        return self

    @model_validator(mode="after")
    def _pods_hold_the_ranks(self) -> TrainSettings:
        if self.job and self.job.nodes * self.job.processes_per_node != self.ranks:
            raise ValueError(
                f"ranks {self.ranks} is not job.nodes {self.job.nodes} x job.processes_per_node "
                f"{self.job.processes_per_node}; change one of the three"
            )
        return self
