"""Settings of train."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from platen.components.train.checkpoints.settings import CheckpointSettings
from platen.components.train.data.settings import DataSettings
from platen.components.train.measure.settings import POD_METRICS_PORT, MeasureSettings
from platen.components.train.models.settings import LoraSettings
from platen.components.train.optimization.settings import EmaSettings, OptimizerSettings
from platen.components.train.parallel.settings import ZeroSettings
from platen.components.train.planned.hardware import job_fault
from platen.components.train.planned.settings import Hardware
from platen.components.train.presets import Name, with_preset
from platen.components.train.rank.settings import GuardSettings, StopSettings
from platen.components.train.removed import refuse_removed
from platen.core.settings import Settings
from platen.jobs.settings import JobSettings
from platen.tasks.diffusion.settings import ObjectiveSettings


class TrainSettings(Settings):
    """How the network is trained.

    What says how the work is shared out (ranks, micro-batch, ZeRO, ...) is no part of the model's identity: it changes
    no more than the last digits, and a training goes on where another number of ranks has left it.
    """

    preset: Name | None = Field(
        None,
        description="one-gpu, one-node, many-nodes, slow-network or offload: fields below by where training runs "
        "(`platen settings --preset NAME` prints them); null: none",
        exclude=True,
    )
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
    deterministic: bool = Field(
        False, description="the same bits each time on the same machines; slower on GPUs", exclude=True
    )
    seed: int = Field(0, ge=0, description="seed of sample order, noise and timesteps")
    lora: LoraSettings | None = Field(
        None, description="train low-rank adapters of the network in place of its weights; null: all of its weights"
    )
    compile: bool = Field(
        False,
        description="compile the network (torch.compile, with a compiler; ZeRO stage 0 to 2); first steps take minutes",
        exclude=True,
    )
    data: DataSettings = Field(DataSettings(), description="what is trained on, and how often")
    objective: ObjectiveSettings = Field(ObjectiveSettings(), description="what a step minimises")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="the optimizer and its learning rate")
    ema: EmaSettings = Field(EmaSettings(), description="the average of the weights, which is what is exported")
    zero: ZeroSettings = Field(ZeroSettings(), description="how the model is split over the ranks", exclude=True)
    checkpoints: CheckpointSettings = Field(
        CheckpointSettings(), description="when training is saved, and what is kept", exclude=True
    )
    must_resume: bool = Field(
        False, description="refuse to begin anew where there are checkpoints, but no whole one", exclude=True
    )
    guard: GuardSettings = Field(GuardSettings(), description="what is done about a batch that would spoil the model")
    stop: StopSettings = Field(StopSettings(), description="what has training save and end early", exclude=True)
    log_every: int = Field(50, ge=1, description="steps between two progress lines", exclude=True)
    measure: MeasureSettings = Field(
        MeasureSettings(), description="what is told of a running training, and where", exclude=True
    )
    job: JobSettings | None = Field(
        None, description="train as a PyTorchJob on the cluster; null: on this machine", exclude=True
    )
    planned_for: Hardware | None = Field(
        None, description="hardware that a plan chose these settings for; null: any", exclude=True
    )

    @model_validator(mode="before")
    @classmethod
    def _preset_is_below(cls, values: Any) -> Any:
        return with_preset(values)

    @model_validator(mode="before")
    @classmethod
    def _still_there(cls, values: object) -> object:
        refuse_removed(values)
        return values

    @property
    def metrics_port(self) -> int | None:
        """Where rank 0 serves its metrics; None: nowhere."""
        if self.measure.port is None:
            return POD_METRICS_PORT if self.job else None
        return self.measure.port or None

    @model_validator(mode="after")
    def _batch_divides(self) -> TrainSettings:
        if self.global_batch % (self.ranks * self.micro_batch):
            raise ValueError(
                f"global_batch {self.global_batch} is not divisible by ranks {self.ranks} x micro_batch "
                f"{self.micro_batch}; change one of the three"
            )
        return self

    @model_validator(mode="after")
    def _compiles(self) -> TrainSettings:
        if self.compile and self.zero.stage == 3:
            raise ValueError(
                "compile needs zero.stage 0, 1 or 2, not 3, which gathers layer by layer; change one of the two"
            )
        return self

    @model_validator(mode="after")
    def _loss_is_scaled(self) -> TrainSettings:
        if self.precision == "fp16" and self.zero.stage == 0:
            raise ValueError(
                "precision fp16 needs zero.stage 1, 2 or 3, not 0, at which DeepSpeed 0.19 divides gradients by the "
                "loss scale without having multiplied the loss by it; change one of the two"
            )
        return self

    @model_validator(mode="after")
    def _second_copies_fit(self) -> TrainSettings:
        second = self.zero.secondary_partition
        if self.ranks % second:
            raise ValueError(
                f"ranks {self.ranks} is not divisible by zero.secondary_partition {second}; change one of the two"
            )
        return self

    @model_validator(mode="after")
    def _averaging_begins(self) -> TrainSettings:
        if self.ema.start_step >= self.steps:
            raise ValueError(
                f"ema.start_step {self.ema.start_step} is not below steps {self.steps}; change one of the two"
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

    @model_validator(mode="after")
    def _planned_for_this(self) -> TrainSettings:
        found = None if self.planned_for is None else job_fault(self.planned_for, self.ranks, self.job)
        if found is not None:
            raise ValueError(f"{found}, but planned_for is {self.planned_for}; set the same, or plan for what there is")
        return self

    @model_validator(mode="after")
    def _cpus_can_do_it(self) -> TrainSettings:
        if self.job is not None and self.job.gpu is None:
            fault = cpu_fault(self)
            if fault is not None:
                raise ValueError(f"{fault}, and job.gpu is null; set job.gpu, as nvidia.com/gpu, or change it")
        return self


def cpu_fault(settings: TrainSettings) -> str | None:
    """A setting that CPUs cannot do, with its value; None where they can do all."""
    gpus_only = {
        "precision fp16": settings.precision == "fp16",
        "zero.quantized_gradients true": settings.zero.quantized_gradients,
    }
    found = [name for name, wanted in gpus_only.items() if wanted]
    return f"{found[0]} needs GPUs" if found else None
