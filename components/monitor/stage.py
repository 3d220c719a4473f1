"""Monitor: what happens, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from platen import releases
from platen.components.monitor.drift import count_words
from platen.components.monitor.judge import judge
from platen.components.monitor.measures import measure
from platen.components.monitor.settings import MonitorSettings
from platen.components.monitor.traffic import Traffic, bytes_of, digest_of, pieces_of, read_traffic
from platen.dataset import read_index
from platen.errors import CorruptError
from platen.manifest import Json, canonical
from platen.stage import Folder, Inputs, Outcome, Place, Stage
from platen.storage import join, local_copy, write_file
from platen.telemetry import log


def work(settings: MonitorSettings, inputs: Inputs, place: Place) -> Outcome:
    """Count the log, measure, judge, and write the report."""
    model = released_model(inputs["release"])
    traffic = read_log(local_copy(releases.request_log(place.workspace, model)), place.outside, settings)
    captions = count_words(training_captions(inputs["dataset"].path))
    measured = measure(settings, traffic, captions)
    rules = measured.rules(settings)
    verdict, reasons = judge(rules)
    said = {"verdict": verdict, "reasons": reasons, "rules": [item.entry() for item in rules], "model": model}
    report = {**said, **measured.entry(), "captions": {"words": captions.total(), "vocabulary": len(captions)}}
    write_file(place.out / "report.json", canonical(report, indent=1))
    log.info("monitor: %s: %s", verdict, "; ".join(reasons))
    counts = {"requests": traffic.requests, "prompts": len(traffic.prompts), "unreadable_lines": traffic.unreadable}
    return Outcome(counts=counts, facts={"verdict": verdict, "reasons": reasons})


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
    pieces = pieces_of(local_copy(releases.request_log(workspace, released_model(inputs["release"]))))
    return {"log_bytes": bytes_of(pieces), "log_sha256": digest_of(pieces)}


def released_model(release: Folder) -> str:
    """The digest of the model that was released. Raises CorruptError where the folder does not say."""
    try:
        return str(json.loads(release.read("release.json") or b"")["model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        where = join(release.uri, "release.json")
        raise CorruptError(f"{where}: names no model ({type(error).__name__}: {error})") from None


def training_captions(folder: Path) -> Iterator[str]:
    """The captions that a model was trained on: those of the training split, or all where there is no split."""
    return (row.caption for row in read_index(folder) if row.split in ("train", ""))


STAGE = Stage(
    name="monitor",
    version=2,
    kind="report",
    settings=MonitorSettings,
    inputs=("release", "dataset"),
    work=work,
    outside=outside,
)
