"""Settings of how a model is split over ranks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from platen.core.settings import Settings

Offload = Literal["none", "cpu", "nvme"]


class ZeroSettings(Settings):
    """What DeepSpeed's ZeRO splits over the ranks, and what it keeps outside of GPUs. None of it changes the model."""

    stage: Literal[0, 1, 2, 3] = Field(
        3, description="what is split: 0 nothing, 1 optimizer state, 2 gradients too, 3 parameters too"
    )
    offload_optimizer: Offload = Field(
        "none", description="none, cpu (stage 1 to 3) or nvme (stage 3): where the optimizer's state lies"
    )
    offload_parameters: Offload = Field("none", description="none, cpu or nvme (stage 3): where the parameters lie")
    nvme_path: str | None = Field(None, description="folder on a local NVMe disk, for what is offloaded there")
    nvme_sub_group: int = Field(
        50_000_000,
        ge=1,
        description="numbers that a rank updates at once with offload_optimizer nvme: four times as many lie in memory",
    )
    secondary_partition: int = Field(
        1, ge=1, description="hpZ: ranks (those of a node) that keep a second copy of the parameters; 1: none (stage 3)"
    )
    quantized_gradients: bool = Field(
        False, description="qgZ: gradients are reduced as 4-bit numbers (stage 3, GPUs, with nvcc)"
    )

    @model_validator(mode="after")
    def _stage_has_it(self) -> ZeroSettings:
        needs_3 = {
            "offload_optimizer nvme": self.offload_optimizer == "nvme",
            f"offload_parameters {self.offload_parameters}": self.offload_parameters != "none",
            f"secondary_partition {self.secondary_partition}": self.secondary_partition > 1,
            "quantized_gradients": self.quantized_gradients,
        }
        asked = [name for name, wanted in needs_3.items() if wanted]
        if self.stage < 3 and asked:
            raise ValueError(f"{asked[0]} needs stage 3, not {self.stage}; change one of the two")
        if self.stage == 0 and self.offload_optimizer != "none":
            raise ValueError("offload_optimizer cpu needs stage 1 or above: at stage 0 nothing is split")
        return self

    @model_validator(mode="after")
    def _nvme_has_a_place(self) -> ZeroSettings:
        if self.uses_nvme and self.nvme_path is None:
            raise ValueError("nvme_path is not set; accepted: a folder on a local NVMe disk of every node")
        return self

    @property
    def uses_nvme(self) -> bool:
        """Whether anything is offloaded to a disk."""
        return "nvme" in (self.offload_optimizer, self.offload_parameters)
