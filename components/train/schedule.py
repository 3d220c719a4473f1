"""How the learning rate goes."""

from __future__ import annotations

import math

from platen.components.train.settings import TrainSettings


def learning_rate(settings: TrainSettings, step: int) -> float:
    """The learning rate of a step (from 0): linear warm-up, then constant, or a cosine down to 0."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    if settings.schedule == "constant":
        return settings.learning_rate
    done = (step - settings.warmup_steps) / max(settings.steps - settings.warmup_steps, 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
