"""Numbers of an evaluation by which runs are compared in the user interface of Kubeflow Pipelines."""

from __future__ import annotations

from platen.artifacts.evaluation import EvaluationReport
from platen.core.manifest import Json
from platen.core.stage import Folder


def run_metrics(folder: Folder) -> dict[str, Json]:
    """Read every metric of a committed report, under the dotted path by which the rules of gate name it.

    `clip_score` is the value, `clip_score_low` and `clip_score_high` are the ends of its interval.
    """
    found: dict[str, Json] = {}
    for path, metric in EvaluationReport.read(folder).metrics.items():
        found |= {path: metric.value, f"{path}_low": metric.low, f"{path}_high": metric.high}
    return found
