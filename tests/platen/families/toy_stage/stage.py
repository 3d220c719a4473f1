"""toy: a report in, how many numbers it has of a unit out."""

from __future__ import annotations

from platen.artifacts.evaluation import EvaluationReport
from platen.core.stage import Inputs, Outcome, Place, Stage

from .settings import ToySettings  # by a relative name, since this folder is copied below components/


def work(settings: ToySettings, inputs: Inputs, place: Place) -> Outcome:
    """Write the names of the numbers that were found."""
    metrics = EvaluationReport.read(inputs["report"]).metrics
    names = sorted(name for name, metric in metrics.items() if metric.unit == settings.unit)
    (place.out / "names.txt").write_text("\n".join(names))
    return Outcome(counts={"numbers": len(names)})


STAGE = Stage(name="toy", version=1, kind="report", settings=ToySettings, inputs={"report": "report"}, work=work)
