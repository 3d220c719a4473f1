"""What updates the weights."""

from __future__ import annotations

import torch
from torch import nn

from platen.components.train.optimization.settings import OptimizerSettings


def build_optimizer(settings: OptimizerSettings, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer over what of a model is trained; DeepSpeed hands it each rank's part.

    Each step sets its learning rate: until then it is 0, as DeepSpeed may try the optimizer out when it takes it over.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(trained, lr=0.0, betas=settings.betas, weight_decay=settings.weight_decay, fused=True)
