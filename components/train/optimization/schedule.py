"""How the learning rate goes."""

from __future__ import annotations

import math

from platen.components.train.settings import TrainSettings


def learning_rate(settings: TrainSettings, step: int) -> float:
    """The learning rate of a step (from 0): linear warm-up, then constant, or down to its floor."""
    chosen = settings.optimizer
    if step < chosen.warmup_steps:
        return chosen.learning_rate * (step + 1) / chosen.warmup_steps
    done = (step - chosen.warmup_steps) / max(settings.steps - chosen.warmup_steps, 1)
    left = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[chosen.schedule]
    return chosen.learning_rate * (chosen.floor + (1 - chosen.floor) * left)
