"""Everything that is measured, put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from platen.artifacts.evaluation import EvaluationReport, JudgedImage, Metric
from platen.components.evaluate.alignment import match_generated, score_generated
from platen.components.evaluate.context import NEEDS, Context, Seen
from platen.components.evaluate.metrics.base import Measurement, MetricSpec
from platen.components.evaluate.pictures import HELD_OUT, TRAINING, Generated, choose_rows
from platen.components.evaluate.settings import EvaluateSettings
from platen.components.evaluate.towers import Judge, load_extractor, show_generated, show_real
from platen.core.manifest import Json
from platen.core.stage import Folder


def look(generated: Sequence[Generated], dataset: Folder, judge: Judge, settings: EvaluateSettings) -> Seen:
    """Show every picture to the extractor, and to the judge those that it has to say something of."""
    extractor, size = load_extractor(settings.extractor, judge), settings.batch_size
    training = choose_rows(dataset.path, TRAINING, settings.max_training, settings.seed)
    held_out_rows = choose_rows(dataset.path, HELD_OUT, settings.max_held_out, settings.seed)
    return Seen(
        generated=generated,
        training=training,
        held_out=held_out_rows,
        generated_features=show_generated(generated, extractor, size),
        training_features=show_real(dataset, training, extractor, size),
        held_out_features=show_real(dataset, held_out_rows, extractor, size),
        generated_embeddings=show_generated(generated, judge, size),
        held_out_embeddings=show_real(dataset, held_out_rows, judge, size),
    )


def measure(context: Context, specs: Iterable[MetricSpec]) -> EvaluationReport:
    """Take every measure; files of a metric are written below `context.out`."""
    found = {spec: spec.measure(context, context.settings.of_metric(spec.name)) for spec in specs}
    return EvaluationReport(
        model=context.model.digest,
        dataset=context.inputs["dataset"].digest,
        generated=context.inputs["generated"].digest,
        extractor=context.settings.extractor,
        confidence=context.settings.confidence,
        counts=count(context),
        metrics={name: metric for spec, each in found.items() for name, metric in name_metrics(spec, each)},
        curves={spec.name: each.curve for spec, each in found.items() if each.curve is not None},
        breakdowns={
            f"{spec.name}.{name}": one for spec, each in found.items() for name, one in each.breakdowns.items()
        },
        closest=[pair for each in found.values() for pair in each.closest],
        pictures=judge_images(context),
        measured_with={spec.name: measured_with(spec, context) for spec in found},
    )


def name_metrics(spec: MetricSpec, found: Measurement) -> Iterable[tuple[str, Metric]]:
    """Name the numbers of a metric by their dotted paths."""
    if found.estimate is not None:
        yield spec.name, spec.quantity.metric(found.estimate)
    yield from ((f"{spec.name}.{name}", metric) for name, metric in found.parts.items())


def measured_with(spec: MetricSpec, context: Context) -> dict[str, Json]:
    """Say what the value of a metric depends on beside how good the model is."""
    used: dict[str, Json] = {}
    for need in sorted(spec.needs):
        used |= NEEDS[need](context)
    return {**used, **spec.provenance(context, context.settings.of_metric(spec.name))}


def count(context: Context) -> dict[str, int]:
    """How many pictures of each kind were looked at."""
    seen = context.seen
    return {
        "generated": len(seen.generated),
        "neutral": sum(picture.group == context.settings.neutral_group for picture in seen.generated),
        "training": len(seen.training),
        "held_out": len(seen.held_out),
    }


def judge_images(context: Context) -> list[JudgedImage]:
    """Describe every generated image; those of the neutral group have no best prompt."""
    matches = match_generated(context)
    judged = []
    for number, (picture, score) in enumerate(zip(context.seen.generated, score_generated(context), strict=True)):
        match = matches.get(number)
        judged.append(
            JudgedImage(
                file=picture.file,
                prompt=picture.prompt,
                seed=picture.seed,
                group=picture.group,
                clip_score=score,
                best_prompt=match.best_prompt if match else None,
                retrieved=match.retrieved if match else None,
            )
        )
    return judged
