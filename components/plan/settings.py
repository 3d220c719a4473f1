"""Settings of plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from platen.core.settings import Settings, mapping

Stage = Literal[0, 1, 2, 3]
Offload = Literal["none", "optimizer", "all"]
SAID_BY_TRAIN = ("steps", "global_batch", "precision")  # with the same defaults there


class PlanSettings(Settings):
    """What is to be trained, what it may cost, and what the forecast takes for granted."""

    use: bool = Field(
        False,
        description="in a pipeline: plan before train, which takes the plan as its settings; the command always plans",
    )
    model: Path | None = Field(
        None, description="config.json of a denoising network, or a diffusers folder; null: that of the input `base`"
    )
    resolution: int | None = Field(
        None, ge=8, description="height and width of pictures in pixels; null: what `base` or `encoded` says"
    )
    pixels_per_latent: int = Field(8, ge=1, description="pixels along a latent, where there is no vae/config.json")
    caption_tokens: int | None = Field(
        None, ge=1, description="length of captions in tokens; null: what the model's text encoder reads"
    )
    samples: int | None = Field(None, ge=1, description="training samples; null: what the input `encoded` says")
    steps: int = Field(10_000, ge=1, description="optimizer steps, 1 or more; not set: train.steps")
    global_batch: int = Field(64, ge=1, description="samples a step, over all ranks; not set: train.global_batch")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "bf16", description="fp32, bf16 or fp16; not set: train.precision"
    )

    aim: Literal["cost", "time"] = Field("cost", description="cost or time: what the chosen plan has least of")
    deadline_hours: float | None = Field(None, gt=0, description="hours that training may take; null: any")
    budget_usd: float | None = Field(None, gt=0, description="USD that it may cost; null: any")
    gpu: str | None = Field(None, description="a kind of GPU in the price table; null: any")
    places: tuple[str, ...] = Field((), description="places in the price table, as aws/us-east-1; none: any")
    nodes: int | None = Field(None, ge=1, description="how many nodes; null: whatever suits")
    gpus: int | None = Field(None, ge=1, description="how many GPUs; null: whatever suits, up to most_gpus")
    most_gpus: int = Field(64, ge=1, description="GPUs at most, 1 or more")
    spot: Literal["either", "never", "only"] = Field(
        "either", description="nodes that can be taken away: either, never, only"
    )
    stages: tuple[Stage, ...] = Field((0, 1, 2, 3), min_length=1, description="ZeRO stages to choose from")
    offloads: tuple[Offload, ...] = Field(
        ("none", "optimizer", "all"),
        min_length=1,
        description="to choose from what lies in the host's memory: none, optimizer (stage 1 to 3), all (stage 3)",
    )
    zeropp: bool = Field(
        False, description="look at ZeRO++ too (stage 3, several nodes); it rounds weights and gradients on their way"
    )
    data_gb: float = Field(0.0, ge=0, description="GB of data that have to be brought to where training runs")
    data_at: str | None = Field(
        None, description="place of that data in the price table; null: it costs nothing to move"
    )
    prices: Path | None = Field(None, description="a price table of your own; null: the one in the package")

    memory_margin: float = Field(0.1, ge=0, lt=1, description="share of a GPU's memory that stays free, 0 to 1")
    reserved_gib: float = Field(1.0, ge=0, description="GiB a GPU that CUDA and NCCL take for themselves")
    achieved: float = Field(
        0.26, gt=0, le=1, description="share of the GPU's highest rate that computing reaches (docs/planning.md)"
    )
    overlap: float = Field(0.5, ge=0, le=1, description="share of computing beside which communication runs, 0 to 1")
    link_achieved: float = Field(
        0.7, gt=0, le=1, description="share of a link's rate that communication reaches, 0 to 1"
    )
    host_memory_gb_s: float = Field(100.0, gt=0, description="GB/s of a node's own memory, for offloaded optimizers")
    read_gb_s: float = Field(1.0, gt=0, description="GB/s at which a node reads encoded samples")
    spot_lost: float = Field(0.1, ge=0, lt=1, description="share of the time on spot nodes that is lost, 0 to 1")

    @model_validator(mode="after")
    def _gpus_fit(self) -> PlanSettings:
        if self.gpus is not None and self.gpus > self.most_gpus and "most_gpus" in self.model_fields_set:
            raise ValueError(f"gpus {self.gpus} is above most_gpus {self.most_gpus}; change one of the two")
        if "all" in self.offloads and 3 not in self.stages and "offloads" in self.model_fields_set:
            raise ValueError("offloads: all needs ZeRO stage 3 in stages: only there parameters can be offloaded")
        return self

    @model_validator(mode="after")
    def _enough_samples(self) -> PlanSettings:
        if self.samples is not None and self.gpus is not None and self.gpus > self.samples:
            raise ValueError(f"gpus {self.gpus} is more than samples {self.samples}; a rank needs one at least")
        return self


def of_run(text: str, *, use: bool | None = None) -> str:
    """The settings of a run, with what `train` says and `plan` leaves open in both: it is said once.

    Args:
        text: YAML.
        use: In place of what `plan.use` says.
    """
    values = mapping(text)
    train, plan = ({} if values.get(name) is None else values[name] for name in ("train", "plan"))
    if not isinstance(train, dict) or not isinstance(plan, dict):
        return text  # for the sections' own readers to refuse
    said: dict[str, Any] = {name: train[name] for name in SAID_BY_TRAIN if name in train}
    asked = {} if use is None else {"use": use}
    return yaml.safe_dump({**values, "plan": {**said, **plan, **asked}}, sort_keys=False, allow_unicode=True)
