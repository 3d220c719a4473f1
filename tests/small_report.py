"""An evaluation report in which every number is made up."""

from __future__ import annotations

from typing import Any

from platen.artifacts.evaluation import Bias, EvaluationReport, Memorization, Metric, ValueShare


def metric(value: float | None, low: float | None = None, high: float | None = None, note: str = "") -> Metric:
    return Metric(value=value, low=low, high=high, n=100, unit="", direction="higher", note=note)


NOTHING = metric(None, note="insufficient data: 3 pictures of at least 20")
METRICS = ("held_out_loss", "fid", "kid", "clip_score", "clip_score_real", "retrieval_accuracy")


def bias(**metrics: Metric) -> Bias:
    values = [ValueShare(value="red", count=9, reference=0.5, share=metrics.pop("red", NOTHING))]
    whole = dict.fromkeys(("distance", "abstained", "judge_accuracy"), NOTHING) | metrics
    return Bias(prompts=["a circle"], values=values, **whole)


def report(**changes: Any) -> EvaluationReport:
    """A report in which nothing was measured but what is given."""
    whole = {
        **dict.fromkeys(("model", "dataset", "generated"), "a" * 64),
        **{"extractor": "clip", "confidence": 0.95, "counts": {"generated": 10}, "held_out_loss_by_timestep": []},
        **dict.fromkeys(METRICS, NOTHING),
        "memorised": Memorization(share=NOTHING, baseline=NOTHING, threshold=None, closest=[]),
        **{"bias": {}, "pictures": [], "measured_with": {}},
    }
    return EvaluationReport(**whole | changes)
