"""Monitor: what happens, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from platen.artifacts import releases
from platen.artifacts.dataset import Split, read_index
from platen.artifacts.monitoring import INSUFFICIENT, Captions, MonitoringMetadata, MonitoringReport
from platen.components.monitor.drift import count_words
from platen.components.monitor.judge import judge
from platen.components.monitor.measures import measure
from platen.components.monitor.settings import MonitorSettings
from platen.components.monitor.traffic import Traffic, bytes_of, digest_of, pieces_of, read_traffic
from platen.core.errors import CorruptError
from platen.core.manifest import Json
from platen.core.stage import Inputs, Outcome, Place, Stage
from platen.core.storage import local_copy
from platen.core.telemetry import log


def work(settings: MonitorSettings, inputs: Inputs, place: Place) -> Outcome:
    """Count the log, measure, judge, and write the report."""
    model = releases.ReleaseRecord.read(inputs["release"]).model
    traffic = read_log(local_copy(releases.request_log(place.workspace, model)), place.outside, settings)
    captions = count_words(training_captions(inputs["dataset"].path))
    measured = measure(settings, traffic, captions)
    rules = measured.rules(settings)
    verdict, reasons = judge(rules)
    MonitoringReport(
        verdict=verdict,
        reasons=reasons,
        rules=[item.outcome() for item in rules],
        model=model,
        traffic=measured.counts(),
        latency_seconds=measured.latency or INSUFFICIENT,
        prompts=measured.prompts(),
        captions=Captions(words=captions.total(), vocabulary=len(captions)),
    ).write(place.out)
    log.info("monitor: %s: %s", verdict, "; ".join(reasons))
    counts = {"requests": traffic.requests, "prompts": len(traffic.prompts), "unreadable_lines": traffic.unreadable}
    return Outcome(counts=counts, facts=MonitoringMetadata(verdict=verdict, reasons=reasons).facts())


def read_log(folder: Path, known: Mapping[str, Json], settings: MonitorSettings) -> Traffic:
    """The log as `outside` saw it. Raises CorruptError where that part of it has changed since."""
    pieces = pieces_of(folder, known["log_bytes"])
    window = None if settings.window_days is None else timedelta(days=settings.window_days)
    traffic = read_traffic(pieces, window, settings.ignore_users)
    if digest_of(pieces) != known["log_sha256"]:
        raise CorruptError(f"{folder}: was rewritten while it was read; a request log is only ever appended to")
    return traffic


def outside(settings: MonitorSettings, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """The request log, as far as it is now: the length of each stream and the SHA-256 of that much."""
    pieces = pieces_of(
        local_copy(releases.request_log(workspace, releases.ReleaseRecord.read(inputs["release"]).model))
    )
    return {"log_bytes": bytes_of(pieces), "log_sha256": digest_of(pieces)}


def training_captions(folder: Path) -> Iterator[str]:
    """The captions that a model was trained on: those of the training split, or all where there is no split."""
    return (row.caption for row in read_index(folder) if row.split in (Split.TRAIN, ""))


STAGE = Stage(
    name="monitor",
    version=2,
    kind="report",
    settings=MonitorSettings,
    inputs={"release": "release", "dataset": "dataset"},
    work=work,
    outside=outside,
)
