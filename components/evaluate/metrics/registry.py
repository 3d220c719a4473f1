"""The metrics there are, in the order of the report. A new one is a module beside these and a line here."""

from __future__ import annotations

import importlib

from platen.components.evaluate.metrics.base import MetricSpec

MODULES = (
    "held_out_loss",
    "fid",
    "kid",
    "clip_score",
    "clip_score_real",
    "retrieval_accuracy",
    "memorised",
    "bias",
)
METRICS: tuple[MetricSpec, ...] = tuple(
    importlib.import_module(f"platen.components.evaluate.metrics.{name}").METRIC for name in MODULES
)
