"""The end of a run in words, for the log."""

from __future__ import annotations

from platen.components.notify.summary import StageSummary, Summary
from platen.core.telemetry import log, on_cluster

NOTHING_NEW = "nothing was retrained: a model with the same data and settings exists already"


def tell_run(summary: Summary) -> None:
    """Log how the run went: a small table for a person, one JSON line for a log collector."""
    if nothing_new(summary):
        log.warning("the live model's traffic calls for retraining, but %s; change data or settings", NOTHING_NEW)
    data = {"summary": summary.model_dump(mode="json", exclude={"stages"})}
    if on_cluster():
        log.info("run %s", summary.outcome, extra={"data": data})
    else:
        for line in lines_of(summary):  # one by one: what passes a task's lines on knows single lines
            log.info("%s", line)


def lines_of(summary: Summary) -> list[str]:
    """The lines of that table: stages with their seconds, then the outcome, then where the report lies."""
    width = max([len(stage.name) for stage in summary.stages] + [len("stage")])
    lines = ["", f"{'stage':<{width}}  {'seconds':>8}"]
    lines += [f"{stage.name:<{width}}  {stage.seconds:>8.1f}  {_remark(stage)}".rstrip() for stage in summary.stages]
    lines += [f"{'':<{width}}  {summary.seconds:>8.1f}  from the first start to the last end", ""]
    if summary.retraining is not None:
        lines.append(f"The live model: {summary.retraining.verdict}: {'; '.join(summary.retraining.reasons)}")
    return [*lines, outcome_line(summary), f"report: {summary.report or 'could not be created, see above'}"]


def outcome_line(summary: Summary) -> str:
    """How the run ended, in one sentence."""
    if summary.failure is not None:
        if summary.outcome == "cancelled":
            return summary.failure.reason.replace("the run", "The run", 1)
        stage = f" in {summary.failure.stage}" if summary.failure.stage else ""
        return f"The run failed{stage}: {summary.failure.reason}"
    told = {"promote": "the model was promoted", "reject": "the model was rejected"}
    parts = [told.get(summary.verdict or "", ""), NOTHING_NEW if nothing_new(summary) else ""]
    more = "; ".join(filter(None, parts))
    return f"The run succeeded: {more}" if more else "The run succeeded"


def nothing_new(summary: Summary) -> bool:
    """Whether a new model was asked for, and the old one found."""
    return summary.retraining is not None and summary.retraining.trained is False


def _remark(stage: StageSummary) -> str:
    if stage.status == "failed":
        return "failed"
    return "cached" if stage.cached else ""
