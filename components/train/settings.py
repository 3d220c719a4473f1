"""Settings of train."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from platen.components.train.job_settings import JobSettings
from platen.settings import Settings


class TrainSettings(Settings):
    """How the UNet is trained. Everything here is part of the model's identity, save what says otherwise."""

    steps: int = Field(10_000, ge=1, description="optimizer steps, 1 or more")
    global_batch: int = Field(64, ge=1, description="samples a step, over all ranks; divisible by ranks x micro_batch")
    micro_batch: int = Field(8, ge=1, description="samples a rank holds at once; the rest is gradient accumulation")
    ranks: int = Field(2, ge=1, description="processes that share the work on this machine, 1 or more")
    threads: int = Field(1, ge=1, description="CPU threads a rank")
    precision: Literal["fp32", "bf16"] = Field("bf16", description="fp32 or bf16")
    learning_rate: float = Field(1e-4, gt=0, description="highest learning rate of AdamW, above 0")
    warmup_steps: int = Field(500, ge=0, description="steps over which the learning rate rises from 0")
    schedule: Literal["constant", "cosine"] = Field("cosine", description="constant or cosine, after the warm-up")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's weight decay, 0 or more")
    clip_gradient: float = Field(1.0, gt=0, description="largest norm of the gradient, above 0")
    drop_caption: float = Field(0.1, ge=0, lt=1, description="share of captions replaced by the empty one, 0 to 1")
    min_snr_gamma: float | None = Field(
        5.0, gt=0, description="weight of timesteps by min(SNR, gamma) (arXiv 2303.09556); null for none"
    )
    ema_decay: float = Field(0.9999, ge=0, lt=1, description="decay of the exponential moving average, 0 to 1")
    ema_warmup: bool = Field(True, description="start with a shorter average: decay at most (1 + step) / (10 + step)")
    gradient_checkpointing: bool = Field(False, description="recompute activations in the backward pass: less memory")
    seed: int = Field(0, ge=0, description="seed of sample order, noise and timesteps")
    checkpoint_every: int = Field(500, ge=1, description="steps between two checkpoints", exclude=True)
    keep_checkpoints: int = Field(2, ge=1, description="newest checkpoints that are kept", exclude=True)
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
