"""How far back the average of the weights reaches, step by step."""

from __future__ import annotations

import functools
import math

from platen.components.train.optimization.settings import EmaSettings


def decay_at(settings: EmaSettings, step: int) -> float:
    """Weight of the past in the update after a step (from 0).

    Before `start_step` it is 0: the average is the weights themselves. The warm-up keeps the first steps from being
    averaged with the start. With `sigma_rel` the average grows with training: step t weighs t^gamma in it
    (arXiv 2312.02696, section 3.1).
    """
    taken = step - settings.start_step  # averaged updates before this one
    if taken < 0:
        return 0.0
    if settings.sigma_rel is not None:
        decay: float = (1 - 1 / (taken + 1)) ** (exponent(settings.sigma_rel) + 1)
        return decay
    return min(settings.decay, (1 + taken) / (10 + taken)) if settings.warmup else settings.decay


@functools.cache
def exponent(sigma_rel: float) -> float:
    """The gamma of an average whose weights t^gamma have this standard deviation, as a share of training time.

    sigma_rel² = (gamma + 1) / ((gamma + 2)² (gamma + 3)) (arXiv 2312.02696, equation 123), which falls as gamma grows
    from 0; so it is found by halving.
    """
    low, high = 0.0, 1 / sigma_rel  # at gamma = 1 / sigma_rel the right-hand side is below sigma_rel² already
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if math.sqrt((middle + 1) / ((middle + 2) ** 2 * (middle + 3))) > sigma_rel:
            low = middle
        else:
            high = middle
    return (low + high) / 2
