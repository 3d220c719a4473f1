"""The same bits each time on the same machines: what torch must be told. Slower on GPUs; on CPUs it holds anyway.

What cuBLAS and NCCL are told comes by environment (node/worker.py).
"""

from __future__ import annotations

import torch

from platen.tasks.diffusion.objective import mix

MODEL = 1  # sets the model's own random numbers apart from those of noise and timesteps


def use_deterministic_algorithms() -> None:
    """Take none but deterministic algorithms; an operation that has none raises."""
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def seed_model(seed: int, step: int, place: int) -> None:
    """Have dropout within the model depend on nothing but seed, step, and where a micro-batch begins in its batch."""
    torch.manual_seed(mix(seed, step, place, MODEL))
