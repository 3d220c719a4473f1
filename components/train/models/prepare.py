"""What settings ask of a loaded model before DeepSpeed takes it over."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from platen.components.train.models.lora import add_adapters
from platen.components.train.settings import TrainSettings
from platen.families.base import Denoiser, Family


def prepare(model: Denoiser, family: Family, settings: TrainSettings) -> None:
    """Set what is trained of a model, and how it computes; the names of its weights stay, but for those of adapters."""
    network: Any = model.network
    if settings.gradient_checkpointing:
        network.enable_gradient_checkpointing()
    if settings.lora:
        add_adapters(model, family, settings.lora, settings.seed)
    if settings.compile:
        # of this process alone: a rank that was killed leaves libraries half-written, and torch loads what is there
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="inductor-")
        network.compile()
