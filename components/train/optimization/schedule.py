"""How the learning rate goes."""

from __future__ import annotations

import math

from platen.components.train.settings import TrainSettings


def learning_rate(settings: TrainSettings, step: int) -> float:
    """The learning rate of a step (from 0): linear warm-up, then constant, or a cosine down to 0."""
    chosen = settings.optimizer
    if step < chosen.warmup_steps:
        return chosen.learning_rate * (step + 1) / chosen.warmup_steps
    if chosen.schedule == "constant":
        return chosen.learning_rate
    done = (step - chosen.warmup_steps) / max(settings.steps - chosen.warmup_steps, 1)
    return chosen.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
