"""The base model that a run starts from: checked, read, and built over the ranks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deepspeed
import torch
from torch import Tensor

from platen.components.train.models.tensors import tensor_sizes
from platen.components.train.parallel.whole import load_whole
from platen.core.errors import InputError
from platen.families.base import Family


@dataclass(frozen=True)
class Pretrained:
    """A base model.

    Attributes:
        family: Of the model.
        folder: Where it lies.
        with_text_encoder: Whether its text encoder is trained too.
    """

    family: Family
    folder: Path
    with_text_encoder: bool

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the folders of what is trained."""
        return self.family.trained_parts(with_text_encoder=self.with_text_encoder)

    def check(self) -> None:
        """Raise InputError that names the first file that training needs and the folder lacks."""
        configs = (self.folder / part / "config.json" for part in self.parts)
        for path in (*configs, self.folder / "scheduler" / "scheduler_config.json"):
            if not path.is_file():
                raise InputError(f"{path}: missing; the base model must be a diffusers folder with safetensors weights")
        self._tensor_sizes()

    def build(self) -> Any:
        """Make the denoiser, its weights not loaded."""
        return self.family.build(self.folder, with_text_encoder=self.with_text_encoder)

    def load(self) -> Any:
        """Make the denoiser with its weights in fp32, on the CPU."""
        return self.family.load(self.folder, with_text_encoder=self.with_text_encoder)

    def weights(self) -> dict[str, Tensor]:
        """Read the weights in fp32, by the denoiser's names.

        The libraries read them: files have names that these have changed since (`text_model.` of a text encoder).

        Raises InputError if a file lacks one: it would be left as it was drawn, and trained.
        """
        return {name: parameter.data for name, parameter in self.load().named_parameters()}

    def largest_parameter(self) -> int:
        """Count the numbers of the largest parameter that is trained on, by the headers of files."""
        return max(self._tensor_sizes())

    def _tensor_sizes(self) -> list[int]:
        parts = self.family.weight_files(self.folder, with_text_encoder=self.with_text_encoder).values()
        return [size for files in parts for file in files for size in tensor_sizes(file)]


def build_model(base: Pretrained, config: dict[str, Any], state: dict[str, Tensor] | None) -> Any:
    """Build the base model; at stage 3 split over the ranks as its weights are loaded: no rank ever holds all of them.

    Args:
        base: The model.
        config: DeepSpeed's.
        state: The weights; only rank 0 needs to have them.
    """
    split = config["zero_optimization"]["stage"] == 3
    # whole ones lie where ranks exchange them: NCCL knows no other place
    with deepspeed.zero.Init(config_dict_or_path=config) if split else rank_device():
        model = base.build()
    load_whole(model, state)
    return model


def rank_device() -> torch.device:
    """This rank's GPU, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device
