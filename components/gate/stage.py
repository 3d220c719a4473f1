"""gate: a report in, a decision out. A rejection is a result like any other; `refusal` makes a failure of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platen import releases
from platen.components.gate.rules import Report, judge
from platen.components.gate.settings import GateSettings
from platen.errors import CorruptError, InputError
from platen.manifest import Json, canonical
from platen.stage import Folder, Inputs, Outcome, Place, Stage, open_folder
from platen.storage import write_file
from platen.telemetry import log


@dataclass(frozen=True, slots=True)
class Champion:
    """The model to beat, by the digest of its manifest, and the report it was promoted on."""

    model: str
    report: Folder

    @property
    def digests(self) -> dict[str, Json]:
        """What names both."""
        return {"model": self.model, "report": self.report.digest}


def find_champion(candidate: Folder, workspace: str) -> Champion | None:
    """The model that the candidate has to beat, or None where no other was ever live."""
    release = releases.champion(workspace, candidate.digest)
    if release is None:
        return None
    return Champion(release.digest, open_folder(release.report, workspace))


def read_outside(settings: GateSettings, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """The digests of the champion and of its report."""
    champion = find_champion(inputs["model"], workspace)
    return {"champion": champion.digests if champion else None}


def decide(settings: GateSettings, inputs: Inputs, place: Place) -> Outcome:
    """Hold the report against the rules and write the decision."""
    report = read_report(inputs["report"].path)
    check_same_model(report, inputs)
    champion = find_champion(inputs["model"], place.workspace)
    verdicts = judge(settings.rules, report, read_report(champion.report.path) if champion else None)
    reasons = [f"{verdict.rule.metric}: {verdict.reason}" for verdict in verdicts if not verdict.passed]
    decision = {
        "schema_version": 1,
        "verdict": "reject" if reasons else "promote",
        "reasons": reasons,
        "model": inputs["model"].digest,
        "report": inputs["report"].digest,
        "champion": champion.digests if champion else None,
        "rules": [verdict.entry() for verdict in verdicts],
    }
    write_file(place.out / "decision.json", canonical(decision, indent=1))
    for verdict in verdicts:
        log.info("gate: %s %s: %s", "passed" if verdict.passed else "FAILED", verdict.rule.name, verdict.reason)
    counts = {"rules": len(verdicts), "failed": len(reasons)}
    return Outcome(counts=counts, facts={"verdict": decision["verdict"], "reasons": reasons})


def read_report(folder: Path) -> Report:
    """`report.json` of an evaluation. Raises CorruptError where it is none."""
    path = folder / "report.json"
    try:
        report = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CorruptError(f"{path}: not a report of evaluate: {error}") from None
    if not isinstance(report, dict):
        raise CorruptError(f"{path}: a {type(report).__name__}. Accepted: the object that evaluate writes")
    return report


def check_same_model(report: Report, inputs: Inputs) -> None:
    """Raises InputError for a report on another model than the one to decide on."""
    model, judged = inputs["model"], report.get("model")
    if judged != model.digest:
        raise InputError(
            f"{inputs['report'].uri}: a report on the model {judged}, not on {model.uri} ({model.digest}). "
            f"Accepted: a report that evaluate made from this model"
        )


STAGE = Stage(
    name="gate",
    version=2,
    kind="report",
    settings=GateSettings,
    inputs=("report", "model"),
    work=decide,
    outside=read_outside,
)
