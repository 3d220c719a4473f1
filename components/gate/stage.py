"""gate: a report in, a decision out. A rejection is a result like any other; `refusal` makes a failure of it."""

from __future__ import annotations

from collections.abc import Mapping

from platen.artifacts import releases
from platen.artifacts.decision import Champion, Decision, DecisionMetadata
from platen.artifacts.evaluation import EvaluationReport
from platen.components.gate.refusal import refuse_if_rejected
from platen.components.gate.rules import judge
from platen.components.gate.settings import GateSettings
from platen.core.errors import InputError
from platen.core.manifest import Json
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, open_folder
from platen.core.telemetry import log


def find_champion(candidate: Folder, workspace: str) -> tuple[Champion, Folder] | None:
    """Find the model that the candidate has to beat and its report; None where no other was ever live."""
    release = releases.champion(workspace, candidate.digest)
    if release is None:
        return None
    report = open_folder(release.report, workspace)
    return Champion(model=release.digest, report=report.digest), report


def read_outside(settings: GateSettings, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """The digests of the champion and of its report."""
    found = find_champion(inputs["model"], workspace)
    return {"champion": found[0].model_dump() if found else None}


def decide(settings: GateSettings, inputs: Inputs, place: Place) -> Outcome:
    """Hold the report against the rules and write the decision."""
    report = EvaluationReport.read(inputs["report"])
    check_same_model(report, inputs)
    found = find_champion(inputs["model"], place.workspace)
    champion, theirs = (found[0], EvaluationReport.read(found[1])) if found else (None, None)
    outcomes = judge(settings.rules, report, theirs)
    reasons = [f"{outcome.metric}: {outcome.reason}" for outcome in outcomes if not outcome.passed]
    decision = Decision(
        verdict="reject" if reasons else "promote",
        reasons=reasons,
        model=inputs["model"].digest,
        report=inputs["report"].digest,
        champion=champion,
        rules=outcomes,
    )
    decision.write(place.out)
    for outcome in outcomes:
        log.info("gate: %s %s: %s", "passed" if outcome.passed else "FAILED", outcome.name, outcome.reason)
    counts = {"rules": len(outcomes), "failed": len(reasons)}
    return Outcome(counts=counts, facts=DecisionMetadata(verdict=decision.verdict, reasons=reasons).facts())


def check_same_model(report: EvaluationReport, inputs: Inputs) -> None:
    """Raises InputError for a report on another model than the one to decide on."""
    model, judged = inputs["model"], report.model
    if judged != model.digest:
        raise InputError(
            f"{inputs['report'].uri}: a report about the model {judged}, not about {model.uri} ({model.digest}). "
            f"Accepted: a report that evaluate made from this model"
        )


STAGE = Stage(
    name="gate",
    version=2,
    kind="report",
    settings=GateSettings,
    inputs={"report": "report", "model": "model"},
    work=decide,
    outside=read_outside,
    conclude=refuse_if_rejected,
)
