"""What updates the weights."""

from __future__ import annotations

import torch
from torch import nn

from platen.components.train.optimization.settings import OptimizerSettings


def build_optimizer(settings: OptimizerSettings, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer over what of a model is trained; DeepSpeed hands it each rank's part."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(
        trained, lr=settings.learning_rate, betas=settings.betas, weight_decay=settings.weight_decay, fused=True
    )
