"""What each part of the page shows, as plain values for the template.

Every function takes the evidence of a run and raises a PlatenError, or a KeyError and its like, where what it needs is
not there; the page then says so in that part's place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from platen.artifacts.dataset import Drop, read_drops, read_shard
from platen.artifacts.decision import Decision
from platen.artifacts.evaluation import Breakdown, ClosestPair, Curve, EvaluationReport, Metric
from platen.artifacts.history import TrainingHistory
from platen.artifacts.images import INDEX, GeneratedImage, read_index
from platen.artifacts.metadata import DatasetMetadata
from platen.artifacts.monitoring import LimitOutcome, MonitoringReport
from platen.artifacts.training_run import Measured
from platen.components.notify.evidence import Evidence
from platen.components.notify.report import charts, graph
from platen.components.notify.report.album import Album, below
from platen.components.notify.summary import Summary
from platen.core.errors import InputError
from platen.core.stage import Folder

Part = dict[str, Any]

EXAMPLES = 3  # dropped samples shown for each reason
KEPT = 12  # kept samples shown
MOST_PROMPTS = 60  # rows of generated pictures
MOST_EACH = 8  # pictures of one prompt
MIB = 2**20
CLOSEST = 6  # pairs of a generated and a training picture
SEPARATOR = " on a "  # in prompts that name a thing and what it stands on


def needed(evidence: Evidence, stage: str) -> Folder:
    """A stage's folder. Raises InputError where the run has none."""
    folder = evidence.folders.get(stage)
    if folder is None:
        raise InputError(f"{stage} left no output in this run")
    return folder


def figures(summary: Summary) -> list[tuple[str, str, str]]:
    """The few figures on top of the page: name, value, unit or remark."""
    shown = []
    if summary.retraining is not None:
        shown.append(("Live model", summary.retraining.verdict, ""))
    if summary.dropped is not None:
        planted = "as planted" if summary.planted == summary.dropped else ""
        shown.append(("Samples dropped", charts.number(sum(summary.dropped.values())), planted))
    if summary.train is not None:
        first = f"from {charts.number(summary.train.first_loss)}"
        shown.append(("Training steps", charts.number(summary.train.steps), ""))
        shown.append(("Training speed", charts.number(summary.train.samples_per_second), "samples/s"))
        shown.append(("Training loss", charts.number(summary.train.last_loss), first))
    if summary.zero is not None:
        shown.append((f"ZeRO stage {summary.zero.stage}", str(summary.zero.world_size), "ranks"))
    if summary.generated is not None:
        shown.append(("Generated", charts.number(summary.generated.count), "pictures"))
    if summary.verdict is not None:
        shown.append(("Gate", summary.verdict, ""))
    if summary.monitor is not None:
        shown.append(("Monitor", summary.monitor.verdict, ""))
    return shown


def data(summary: Summary, evidence: Evidence, album: Album) -> Part:
    """What came in, what was dropped and why, what was kept."""
    merged = needed(evidence, "merge")
    planted, dropped = summary.planted or {}, summary.dropped or {}
    splits = DatasetMetadata.of(merged).splits or {}
    shown = dropped_examples(merged, album)
    reasons = sorted({*planted, *dropped, *shown})
    rows = [
        {"reason": name, "planted": planted.get(name), "dropped": dropped.get(name, 0), "examples": shown.get(name, [])}
        for name in reasons
    ]
    return {
        "rows": rows,
        "truth": summary.planted is not None,
        "agrees": planted == dropped,
        "total": sum(dropped.values()),
        "kept_count": sum(splits.values()),
        "splits": list(splits.items()),
        "licences": merged.manifest.licences,
        "repairs": repairs(summary),
        "kept": kept_examples(merged, album),
    }


def repairs(summary: Summary) -> list[Part]:
    """What was put right instead of dropped, beside what was planted."""
    planted, found = summary.planted_repairs or {}, summary.repaired or {}
    return [
        {"name": name, "planted": planted.get(name), "found": found.get(name, 0)} for name in sorted({*planted, *found})
    ]


def dropped_examples(merged: Folder, album: Album) -> dict[str, list[Part]]:
    """A few dropped samples for each reason, with their pictures where there are any."""
    folder = merged.part("drops/*", "examples/*")
    pictures = {path.stem: path for path in sorted((folder / "examples").rglob("*")) if path.is_file()}
    found: dict[str, list[Drop]] = {}
    for drop in read_drops(folder):
        of_reason = found.setdefault(drop.reason, [])
        of_reason.append(drop)
        of_reason.sort(key=lambda drop, known=frozenset(pictures): (drop.key not in known, drop.key))  # type: ignore[misc]
        del of_reason[EXAMPLES:]
    return {reason: [_dropped(drop, pictures, album) for drop in drops] for reason, drops in found.items()}


def _dropped(drop: Drop, pictures: Mapping[str, Path], album: Album) -> Part:
    path = pictures.get(drop.key)
    return {
        "picture": path and album.add_file(path),
        "caption": short(drop.caption),
        "detail": short(drop.detail),
        "source": short(drop.source),
    }


def kept_examples(merged: Folder, album: Album) -> list[Part]:
    """The first samples that were kept, of the first shard."""
    shards = sorted(Path(file.path).stem for file in merged.manifest.files if file.path.startswith("index/"))
    if not shards:
        return []
    folder = merged.part(f"index/{shards[0]}.parquet", f"shards/{shards[0]}.tar")
    return [
        {"picture": album.add(sample.image), "caption": short(sample.row.caption), "split": sample.row.split}
        for sample in islice(read_shard(folder, shards[0]), KEPT)
    ]


def training(summary: Summary, evidence: Evidence, album: Album) -> Part:
    """The loss curve, how the work was spread, and what was measured."""
    history = TrainingHistory.read(needed(evidence, "train"))
    rates = history.learning_rate
    return {
        "losses": len(history.loss),
        "curve": charts.loss_curve([loss for loss in history.loss if loss is not None]),
        "rate": rate_curve(rates) if rates else None,
        "train": summary.train,
        "zero": summary.zero,
        "rows": took(evidence.training_run().measured or Measured()),
    }


def took(measured: Measured) -> list[tuple[str, str]]:
    """What training took, in words and numbers: all attempts, but for MFU and the parts of the time: the last one's."""
    memory, cost = measured.memory_bytes, measured.cost_usd
    rows = [
        ("Attempts", measured.attempts and charts.number(measured.attempts)),
        ("Goodput: time that went into the model", percent(measured.goodput)),
        ("MFU: arithmetic against the devices' peak", percent(measured.mfu)),
        *((f"Time: {part}", percent(share)) for part, share in measured.shares.items()),
        *((f"Memory of a rank: {part}", f"{charts.number(size / MIB)} MiB") for part, size in memory.items()),
        ("Cost", cost and f"{charts.number(cost)} USD"),
        *((f"Slow: rank {slow.rank} on {slow.node}", slow.part) for slow in measured.stragglers),
    ]
    return [(name, value) for name, value in rows if value]


def percent(share: float | None) -> str | None:
    """A share of 1; None where there is none."""
    return None if share is None else f"{charts.number(100 * share)} %"


def rate_curve(rates: list[float]) -> Any:
    """The learning rate over steps, as a small chart."""
    points = charts.thin([(float(step), rate) for step, rate in enumerate(rates, 1)])
    told = f"Learning rate over {len(rates)} steps, {charts.number(max(rates))} at most"
    across, up = (1.0, float(len(rates))), (0.0, max(rates))
    return charts.line_chart([("line", points)], across, up, told, "step", size=(360, 230))


def generated(summary: Summary, evidence: Evidence, album: Album) -> Part:
    """Generated pictures by group and prompt."""
    folder = needed(evidence, "generate")
    rows = read_index(folder.part(INDEX))
    missed = _missed(evidence)
    groups: dict[str, dict[str, list[Part]]] = {}
    shown = first_of_each(rows)
    files = below(folder, [row.file for row in shown])
    for row in shown:
        of_prompt = groups.setdefault(row.group, {}).setdefault(row.prompt, [])
        path = files.get(row.file)
        cell = {"seed": row.seed, "missed": row.file in missed}
        of_prompt.append({**cell, "picture": path and album.add_file(path)})
    return {
        "groups": [arrange(name, prompts) for name, prompts in groups.items()],
        "count": len(rows),
        "missed": len(missed),
    }


def first_of_each(rows: Iterable[GeneratedImage]) -> list[GeneratedImage]:
    """Return the first images of each prompt, MOST_EACH of them, in the order of the index."""
    counts: Counter[tuple[str, str]] = Counter()
    shown = []
    for row in rows:
        of = (row.group, row.prompt)
        counts[of] += 1
        if counts[of] <= MOST_EACH:
            shown.append(row)
    return shown


def _missed(evidence: Evidence) -> set[str]:
    """Files of pictures that were nearer to another prompt than to their own, where evaluate has said so."""
    try:
        report = EvaluationReport.read(needed(evidence, "evaluate"))
    except InputError:
        return set()
    return {picture.file for picture in report.pictures if picture.retrieved is False}


def arrange(name: str, prompts: Mapping[str, list[Part]]) -> Part:
    """A group's pictures as a table: things by what they stand on where the prompts say both, else one row a prompt."""
    pairs = {prompt: prompt.partition(SEPARATOR) for prompt in prompts}
    heads = list(dict.fromkeys(head for head, _, _ in pairs.values()))
    tails = list(dict.fromkeys(tail for _, _, tail in pairs.values()))
    crossed = len(tails) > 1 and all(tails) and len(prompts) == len(heads) * len(tails)
    if not crossed:
        heads, tails = list(prompts), ["pictures"]
    rows = [
        {"head": head, "cells": [prompts[SEPARATOR.join([head, tail]) if crossed else head] for tail in tails]}
        for head in heads[:MOST_PROMPTS]
    ]
    columns = [f"on a {tail}" if crossed else tail for tail in tails]
    half = -(-len(rows) // 2)
    halves = [rows[:half], rows[half:]] if len(rows) > 3 else [rows]
    return {"name": name, "columns": columns, "halves": halves, "left_out": max(0, len(heads) - MOST_PROMPTS)}


def evaluation(summary: Summary, evidence: Evidence, album: Album) -> Part:
    """The measured values with their intervals and the gate's limits, and the closest training pictures."""
    report = EvaluationReport.read(needed(evidence, "evaluate"))
    limits, apart = _limits(evidence), tuple(f"{name}." for name in report.breakdowns)
    rows = {name: metric for name, metric in report.metrics.items() if not (apart and name.startswith(apart))}
    return {
        "rows": [measured(title_of(name, metric), metric, limits.get(name)) for name, metric in rows.items()],
        "confidence": report.confidence,
        "extractor": report.extractor,
        "closest": _closest(evidence, report.closest, album),
        "curves": [_curve(curve) for curve in report.curves.values() if len(curve.points) > 1],
    }


def title_of(name: str, metric: Metric) -> str:
    """The title of a metric; its name where the report is from before there were titles."""
    return metric.title or name.replace("_", " ").replace(".", " ").capitalize()


def measured(title: str, metric: Metric, limit: float | None, span: tuple[float, float] | None = None) -> Part:
    """One row: the value, its interval as a drawing, and what it is held against."""
    value, low, high = metric.value, metric.low, metric.high
    chart = None
    if value is not None and low is not None and high is not None:
        against = "" if limit is None else f", held against {charts.number(limit)}"
        told = f"{title}: {charts.number(value)}, from {charts.number(low)} to {charts.number(high)}{against}"
        chart = charts.whisker(value, low, high, told, limit, span)
    better = {"higher": "↑", "lower": "↓"}.get(metric.direction, "")
    return {**metric.model_dump(), "title": title, "chart": chart, "limit": limit, "better": better}


def _limits(evidence: Evidence) -> dict[str, float]:
    """The limit that the gate held each metric against; nothing where it did not get to it."""
    try:
        rules = Decision.read(needed(evidence, "gate")).rules
    except InputError:
        return {}
    return {rule.metric: rule.limit for rule in reversed(rules) if rule.limit is not None}


def _closest(evidence: Evidence, pairs: Sequence[ClosestPair], album: Album) -> list[Part]:
    folder = needed(evidence, "evaluate")
    chosen = pairs[:CLOSEST]
    files = below(folder, [file for pair in chosen for file in (pair.generated, pair.training)])
    shown = []
    for pair in chosen:
        ours, theirs = files.get(pair.generated), files.get(pair.training)
        pictures = {"ours": ours and album.add_file(ours), "theirs": theirs and album.add_file(theirs)}
        words = {"prompt": short(pair.prompt), "caption": short(pair.caption)}
        shown.append({**pictures, **words, "distance": pair.distance, "memorised": pair.memorised})
    return shown


def _curve(curve: Curve) -> Part:
    line = [(point.place, point.value) for point in curve.points]
    told = f"{curve.title}: " + ", ".join(f"{charts.number(value)} at {place:g}" for place, value in line)
    across, up = (line[0][0], line[-1][0]), (0.0, max(value for _, value in line))
    chart = charts.line_chart([("line", line)], across, up, told, curve.across, size=(520, 140))
    return {"title": curve.title, "chart": chart}


def bias(summary: Summary, evidence: Evidence, album: Album) -> Part:
    """How often each value of an attribute comes out, against its reference share."""
    report = EvaluationReport.read(needed(evidence, "evaluate"))
    if not report.breakdowns:
        raise InputError("evaluate measured no attribute")
    return {"attributes": [_attribute(name, each, report.metrics) for name, each in report.breakdowns.items()]}


def _attribute(name: str, attribute: Breakdown, metrics: Mapping[str, Metric]) -> Part:
    shares = {row.value: metrics[f"{name}.values.{row.value}.share"] for row in attribute.values}
    ends = [share.high or 0.0 for share in shares.values()] + [row.reference for row in attribute.values]
    span = (-0.02, min(1.0, 1.1 * max([*ends, 0.1])))
    rows = [
        {**measured(row.value, shares[row.value], row.reference, span), "count": row.count, "value_name": row.value}
        for row in attribute.values
    ]
    whole = {path: metric for path, metric in metrics.items() if path.startswith(f"{name}.")}
    overall = [
        measured(title_of(path, metric), metric, None)
        for path, metric in whole.items()
        if not path.startswith(f"{name}.values.")
    ]
    return {"name": attribute.title, "rows": rows, "overall": overall, "prompts": attribute.prompts}


def gate(summary: Summary, evidence: Evidence, album: Album) -> Part:
    """The decision, rule by rule."""
    decision = Decision.read(needed(evidence, "gate"))
    return {"verdict": decision.verdict, "rules": decision.rules, "champion": decision.champion}


def retraining(summary: Summary, evidence: Evidence, album: Album) -> Part:
    """Why the live model was replaced or kept, and whether anything new was trained."""
    trained = summary.retraining.trained if summary.retraining else None
    return {**_monitored(evidence, "monitor_live"), "trained": trained}


def monitor(summary: Summary, evidence: Evidence, album: Album) -> Part:
    """What the server's request log says: the rules it was held against, and the counts."""
    return _monitored(evidence, "monitor")


def _monitored(evidence: Evidence, record: str) -> Part:
    report = MonitoringReport.read(needed(evidence, record))
    return {
        "verdict": report.verdict,
        "reasons": report.reasons,
        "rules": [_watched(rule) for rule in report.rules],
        "rows": list(flatten(report.model_dump(exclude={"rules"}))),
    }


def _watched(rule: LimitOutcome) -> Part:
    """One rule of the monitor; its value is in words where there is too little to tell."""
    value, note = (None, rule.value) if isinstance(rule.value, str) else (rule.value, "")
    low, high = rule.interval or (None, None)
    metric = Metric(value=value, low=low, high=high, n=rule.n, unit="", direction="none", note=note)
    return {**measured(rule.name.replace("_", " "), metric, rule.limit), "exceeded": rule.exceeded}


def flatten(values: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    """Names and numbers of a report whose shape is its own affair; lists and texts are left out."""
    for name, value in values.items():
        title = f"{above} {name}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            yield from flatten(value, title)
        elif isinstance(value, bool | int | float):
            yield title, charts.number(float(value)) if not isinstance(value, bool) else str(value).lower()


def lineage(summary: Summary, evidence: Evidence, album: Album) -> Part:
    """The folders of this run and what they were made from, drawn and as a table."""
    if not evidence.folders:
        raise InputError("no stage left an output")
    found, notes = graph.collect(reversed(list(evidence.folders.values())))
    depth = graph.layers_of(found.sources)
    rows = [
        {
            "stage": folder.manifest.made_by.stage,
            "digest": digest,
            "uri": folder.uri,
            "sources": [(role, source[:12]) for role, source in found.sources[digest].items()],
        }
        for digest, folder in sorted(found.folders.items(), key=lambda item: (depth[item[0]], item[1].uri))
    ]
    return {"chart": graph.draw(found), "rows": rows, "notes": notes}


def timing(summary: Summary, evidence: Evidence, album: Album) -> Part:
    """When each stage ran and for how long."""
    if not evidence.records:
        raise InputError("no stage left a record")
    first = evidence.records[0].started
    rows = []
    for record in evidence.records:
        kind = "failed" if record.error else "cached" if record.cached else "made"
        told = f"{record.name}: {record.seconds:.1f} s, started after {record.started - first:.1f} s"
        chart = charts.bar(record.started - first, record.seconds, summary.seconds or 1.0, kind, told)
        made = evidence.observed(record.name).get("seconds") if record.cached else None
        rows.append({"name": record.name, "kind": kind, "seconds": record.seconds, "chart": chart, "made": made})
    return {"rows": rows}


def reproduce(summary: Summary, evidence: Evidence, album: Album) -> Part:
    """The settings and versions that made the outputs."""
    import yaml

    manifests = [folder.manifest for folder in evidence.folders.values()]
    makers = {manifest.made_by.stage: manifest.made_by for manifest in manifests}  # a stage may have run twice
    used = {manifest.made_by.stage: manifest.settings for manifest in manifests}
    if not used:
        raise InputError("no stage left an output")
    text = yaml.safe_dump(used, sort_keys=False, allow_unicode=True, width=100)
    return {"settings": text, "makers": makers, "packages": sorted({maker.package for maker in makers.values()})}


def short(text: str, most: int = 160) -> str:
    """A text cut to what a table has room for."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
