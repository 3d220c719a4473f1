"""Which checkpoints are kept."""

from __future__ import annotations

from collections.abc import Mapping

from platen.components.train.checkpoints.settings import CheckpointSettings


def kept(losses: Mapping[int, float | None], settings: CheckpointSettings) -> set[int]:
    """The steps to keep, of whole checkpoints with the mean loss of the steps before each."""
    newest = sorted(losses, reverse=True)[: settings.keep_last]
    known = {step: loss for step, loss in losses.items() if loss is not None}
    best = sorted(known, key=lambda step: (known[step], -step))[: settings.keep_best]
    marks = [step for step in losses if settings.keep_every and step % settings.keep_every == 0]
    return {*newest, *best, *marks}
