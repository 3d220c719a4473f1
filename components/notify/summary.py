"""The summary of a run, `<run>/summary.json`: what other tools read. Its keys are a contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from platen.artifacts.decision import DecisionMetadata
from platen.artifacts.metadata import ModelMetadata
from platen.artifacts.monitoring import RETRAIN, MonitoringMetadata
from platen.artifacts.training_run import Zero
from platen.components.notify.evidence import Evidence, read_object
from platen.core.errors import CorruptError, PlatenError
from platen.core.outcome import LIVE, Outcome, Witness, cancelled_by, decide, exit_handler_witness, expected_stages
from platen.core.records import Failure
from platen.core.telemetry import log
from platen.jobs.own_pod import run_is_cancelled

Counts = dict[str, int]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageSummary(_Part):
    """One stage: wall-clock seconds in this run, the committed folder, whether it was there already."""

    name: str
    status: Literal["done", "failed"]
    seconds: float
    cached: bool
    output: str | None
    digest: str | None
    error: Failure | None


class FailureSummary(_Part):
    """Which stage ended the run, and why; the stage is null where nothing names one.

    Of a cancelled run: the first stage that had not ended, type RunCancelled, exit code 3.
    """

    stage: str | None
    type: str
    reason: str
    exit_code: int


class Train(_Part):
    """Optimizer steps, samples a second over all ranks, first loss, mean loss of the last steps."""

    steps: int | None
    samples_per_second: float | None
    first_loss: float | None
    last_loss: float | None


class Generated(_Part):
    """Folder with `index.jsonl` and the pictures, and how many there are."""

    folder: str
    count: int


class Release(_Part):
    """The committed release, and the digest of its model."""

    folder: str
    model: str | None


class Monitoring(_Part):
    """Keep or retrain, and why."""

    verdict: str
    reasons: list[str]


class Retraining(_Part):
    """What was said of the live model before the chain, and why; whether a model was trained anew for it.

    `trained` is null where that was not asked for, or the run did not get to it.
    """

    verdict: str
    reasons: list[str]
    trained: bool | None


class Summary(_Part):
    """`summary.json`. A part that the run did not get to is null."""

    schema_version: Literal[1] = 1
    run: str
    outcome: Literal["succeeded", "failed", "cancelled"]
    failure: FailureSummary | None
    started: str | None
    finished: str
    seconds: float
    stages: list[StageSummary]
    planted: Counts | None
    dropped: Counts | None
    planted_repairs: Counts | None
    repaired: Counts | None
    zero: Zero | None
    train: Train | None
    verdict: str | None
    reasons: list[str] | None
    generated: Generated | None
    release: Release | None
    monitor: Monitoring | None
    retraining: Retraining | None
    report: str | None


def summarise(
    evidence: Evidence,
    truth: Mapping[str, Any],
    state: str | None,
    message: str,
    report: str,
    graph: Sequence[str] = (),
) -> Summary:
    """Summarize a run from what it left behind.

    Args:
        evidence: What the run left behind.
        truth: What a made-up data set is known to contain; empty for real data.
        state: How the pipeline says that it ended; None where nobody says.
        message: What the pipeline says of its failure.
        report: Where the report lies.
        graph: The stages of the graph in order; empty where it is not known.
    """
    outcome = find_outcome(evidence, state, graph)
    first = min((record.started for record in evidence.records), default=None)
    last = max((record.started + record.seconds for record in evidence.records), default=0.0)
    parts: dict[str, Callable[[], Any]] = {
        "planted": lambda: truth.get("planted"),
        "dropped": lambda: _dropped(evidence),
        "planted_repairs": lambda: truth.get("repaired"),
        "repaired": lambda: _repaired(evidence),
        "zero": lambda: evidence.training_run().zero,
        "train": lambda: _train(evidence),
        "verdict": lambda: (found := evidence.metadata("gate", DecisionMetadata)) and found.verdict,
        "reasons": lambda: (found := evidence.metadata("gate", DecisionMetadata)) and found.reasons,
        "generated": lambda: _generated(evidence),
        "release": lambda: _release(evidence),
        "monitor": lambda: _monitor(evidence),
        "retraining": lambda: _retraining(evidence),
    }
    return Summary(
        run=whole(evidence.run),
        outcome=outcome.status,
        failure=_failure(outcome, message),
        started=None if first is None else _time(first),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0 if first is None else round(last - first, 3),
        stages=_stages(evidence),
        report=report,
        **{name: _optional(name, work) for name, work in parts.items()},
    )


def find_outcome(evidence: Evidence, state: str | None, graph: Sequence[str]) -> Outcome:
    """Decide how the run ended; where the pipeline's word is unclear, its Workflow says whether it was cancelled."""
    witness = exit_handler_witness(state)
    if witness in (Witness.UNFINISHED, Witness.UNCLEAR):
        cancelled = run_is_cancelled()
        if cancelled is not None:
            witness = Witness.CANCELLED if cancelled else Witness.UNCLEAR
    expected = expected_stages(graph, _live_verdict(evidence), evidence.records)
    return decide(evidence.records, expected, witness, cancelled_by(evidence.run), state or "")


def _live_verdict(evidence: Evidence) -> str | None:
    try:
        live = evidence.metadata(LIVE, MonitoringMetadata)
    except CorruptError as error:
        log.warning("summary: %s", error)
        return None
    return live.verdict if live else None


def _failure(outcome: Outcome, message: str) -> FailureSummary | None:
    if outcome.error is None:
        return None
    said = "" if outcome.recorded or not message else f". {message}"
    return FailureSummary(
        stage=outcome.stage,
        type=outcome.type,
        reason=f"{outcome.error}{said}",
        exit_code=outcome.error.exit_code,
    )


def load_truth(path: str | None) -> dict[str, Any]:
    """What a made-up data set is known to contain; nothing, with a warning, where the file cannot be read."""
    if path is None:
        return {}
    try:
        return read_object(path)
    except PlatenError as error:
        log.warning("notify.truth: %s", error)
        return {}


def whole(uri: str) -> str:
    """A URI that means the same from every working directory."""
    return uri if "://" in uri else str(Path(uri).absolute())


def _stages(evidence: Evidence) -> list[StageSummary]:
    return [
        StageSummary(
            name=record.name,
            status=record.status,
            seconds=record.seconds,
            cached=record.cached,
            output=record.uri and whole(record.uri),
            digest=record.digest,
            error=record.error,
        )
        for record in evidence.records
    ]


def _dropped(evidence: Evidence) -> Counts | None:
    merged = evidence.folders.get("merge")
    return dict(merged.manifest.dropped) if merged else None


def _repaired(evidence: Evidence) -> Counts | None:
    folders = [evidence.folders[name] for name in ("clean_text", "clean_images") if name in evidence.folders]
    if not folders:
        return None
    total: Counter[str] = Counter()
    for folder in folders:
        named = {name: number for name, number in folder.manifest.counts.items() if name.startswith("repaired_")}
        total.update({name.removeprefix("repaired_"): number for name, number in named.items()})
    return dict(sorted(total.items()))


def _train(evidence: Evidence) -> Train | None:
    model = evidence.metadata("train", ModelMetadata)
    if model is None:
        return None
    return Train(
        steps=model.steps,
        samples_per_second=evidence.training_run().samples_per_second,
        first_loss=model.first_loss,
        last_loss=model.last_loss,
    )


def _generated(evidence: Evidence) -> Generated | None:
    folder = evidence.folders.get("generate")
    if folder is None:
        return None
    return Generated(folder=whole(folder.uri), count=folder.manifest.counts.get("pictures", 0))


def _release(evidence: Evidence) -> Release | None:
    folder = evidence.folders.get("deploy")
    if folder is None:
        return None
    model = folder.manifest.inputs.get("model")
    return Release(folder=whole(folder.uri), model=model and model.digest)


def _monitor(evidence: Evidence) -> Monitoring | None:
    said = evidence.metadata("monitor", MonitoringMetadata)
    return Monitoring(verdict=said.verdict, reasons=said.reasons) if said else None


def _retraining(evidence: Evidence) -> Retraining | None:
    said = evidence.metadata(LIVE, MonitoringMetadata)
    if said is None:
        return None
    done = [record for record in evidence.records if record.name == "train" and record.status == "done"]
    trained = not done[0].cached if done and said.verdict == RETRAIN else None
    return Retraining(verdict=said.verdict, reasons=said.reasons, trained=trained)


def _optional(name: str, work: Callable[[], Any]) -> Any:
    """A part of the summary; null, with a warning, where it cannot be told: how the run ended is told all the same."""
    kind: Any = Summary.model_fields[name].annotation
    try:
        return TypeAdapter(kind).validate_python(work())
    except Exception as error:
        log.warning("summary: %s cannot be determined: %r", name, error)
        return None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
