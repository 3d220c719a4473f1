"""evaluate: a model, its pictures and the real ones in, a report of numbers with their uncertainty out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from platen.components.evaluate.settings import EvaluateSettings
from platen.core.manifest import Json, canonical, list_files, sha256
from platen.core.stage import Inputs, Outcome, Place, Stage


def read_outside(settings: EvaluateSettings, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """The digest of the extractor's folder, where it is one."""
    folder = Path(settings.extractor)
    if not folder.is_dir():
        return {}
    files = [file.model_dump() for file in list_files(folder)]
    return {"extractor": sha256(canonical(files))}


def evaluate(settings: EvaluateSettings, inputs: Inputs, place: Place) -> Outcome:
    """Look at every picture once, take every measure, write the report."""
    from platen.components.evaluate.context import Context
    from platen.components.evaluate.metrics.registry import METRICS
    from platen.components.evaluate.pictures import read_generated
    from platen.components.evaluate.report import look, measure
    from platen.components.evaluate.towers import Judge
    from platen.core.devices import fixed_threads, pick_device

    model, dataset = inputs["model"], inputs["dataset"]
    generated = read_generated(inputs["generated"], model)
    with fixed_threads(settings.threads):
        judge = Judge(model.path / "clip", pick_device("auto", "evaluate"))
        seen = look(generated, dataset, judge, settings)
        context = Context(inputs, seen, judge, settings, place.outside.get("extractor"), place.out)
        report = measure(context, METRICS)
    report.write(place.out)
    values = {name: metric.model_dump()["value"] for name, metric in report.metrics.items()}
    return Outcome(
        counts=report.counts, facts={spec.name: values[spec.name] for spec in METRICS if spec.name in values}
    )


STAGE = Stage(
    name="evaluate",
    version=4,
    kind="report",
    settings=EvaluateSettings,
    inputs={"model": "model", "dataset": "dataset", "generated": "pictures"},
    work=evaluate,
    outside=read_outside,
)
