"""The summary of a run, `<run>/summary.json`: what other tools read. Its keys are a contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from platen.components.notify.evidence import Evidence, read_object
from platen.errors import PlatenError
from platen.records import Failure
from platen.telemetry import log

Counts = dict[str, int]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


P = TypeVar("P", bound=_Part)


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
    """Which stage ended the run, and why; the stage is null where no stage left word of it."""

    stage: str | None
    type: str
    reason: str
    exit_code: int


class Zero(_Part):
    """How ZeRO spread the model: its stage, the ranks, parameters held by each, parameters altogether."""

    stage: int
    world_size: int
    parameters_per_rank: list[int]
    parameters: int


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
    outcome: Literal["succeeded", "failed"]
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


def summarise(evidence: Evidence, truth: Mapping[str, Any], state: str | None, message: str, report: str) -> Summary:
    """Tell a run from what it left behind.

    Args:
        evidence: What the run left behind.
        truth: What a made-up data set is known to contain; empty for real data.
        state: How the pipeline says that it ended (SUCCEEDED, FAILED, CANCELLED); None where nobody says.
        message: What the pipeline says of its failure.
        report: Where the report lies.
    """
    failure = find_failure(evidence, state, message)
    first = min((record.started for record in evidence.records), default=None)
    last = max((record.started + record.seconds for record in evidence.records), default=0.0)
    parts: dict[str, Callable[[], Any]] = {
        "planted": lambda: truth.get("planted"),
        "dropped": lambda: _dropped(evidence),
        "planted_repairs": lambda: truth.get("repaired"),
        "repaired": lambda: _repaired(evidence),
        "zero": lambda: _part(Zero, evidence.observed("train").get("zero")),
        "train": lambda: _train(evidence),
        "verdict": lambda: evidence.facts("gate").get("verdict"),
        "reasons": lambda: evidence.facts("gate").get("reasons"),
        "generated": lambda: _generated(evidence),
        "release": lambda: _release(evidence),
        "monitor": lambda: _monitor(evidence),
        "retraining": lambda: _retraining(evidence),
    }
    return Summary(
        run=whole(evidence.run),
        outcome="failed" if failure else "succeeded",
        failure=failure,
        started=None if first is None else _time(first),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0 if first is None else round(last - first, 3),
        stages=_stages(evidence),
        report=report,
        **{name: _optional(name, work) for name, work in parts.items()},
    )


def find_failure(evidence: Evidence, state: str | None, message: str) -> FailureSummary | None:
    """Why the run failed; None where it did not.

    The pipeline's word decides whether, the stages' records tell why: a stage that was killed left none.
    """
    told = [(record.name, record.error) for record in evidence.records if record.error is not None]
    if state == "SUCCEEDED" or (state is None and not told):
        return None
    if told:
        stage, error = told[0]
        return FailureSummary(stage=stage, type=error.type, reason=error.message, exit_code=error.exit_code)
    reason = "a stage ended without a word: it was killed (out of memory, cancelled) or could not start"
    return FailureSummary(stage=None, type=state or "FAILED", reason=f"{reason}. {message}".strip(), exit_code=1)


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
    if "train" not in evidence.folders:
        return None
    facts = evidence.facts("train")
    values = {name: facts.get(name) for name in ("steps", "first_loss", "last_loss")}
    return _part(Train, {**values, "samples_per_second": evidence.observed("train").get("samples_per_second")})


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
    facts = evidence.facts("monitor")
    return _part(Monitoring, {"verdict": facts.get("verdict"), "reasons": facts.get("reasons") or []})


def _retraining(evidence: Evidence) -> Retraining | None:
    facts = evidence.facts("monitor_live")
    verdict = facts.get("verdict")
    done = [record for record in evidence.records if record.name == "train" and record.status == "done"]
    trained = not done[0].cached if done and verdict == "retrain" else None
    return _part(Retraining, {"verdict": verdict, "reasons": facts.get("reasons") or [], "trained": trained})


def _optional(name: str, work: Callable[[], Any]) -> Any:
    """A part of the summary; null, with a warning, where it cannot be told: how the run ended is told all the same."""
    kind: Any = Summary.model_fields[name].annotation
    try:
        return TypeAdapter(kind).validate_python(work())
    except Exception as error:
        log.warning("summary: %s cannot be told: %r", name, error)
        return None


def _part(kind: type[P], values: Any) -> P | None:
    try:
        return kind.model_validate(values)
    except ValidationError:
        return None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
