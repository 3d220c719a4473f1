"""The exit handler's work: gather, sum up, draw the report, post, and say it in the log.

Whatever goes wrong here is logged and does not hide how the run itself ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from platen.components.notify.artifact import explained
from platen.components.notify.evidence import Evidence, gather
from platen.components.notify.settings import NotifySettings
from platen.components.notify.summary import Summary, load_truth, summarise, whole
from platen.components.notify.table import tell_run
from platen.components.notify.webhook import tell
from platen.core.errors import PlatenError
from platen.core.settings import section
from platen.core.storage import join, store_for
from platen.core.telemetry import log
from platen.core.ui import write_page

SUMMARY = "summary.json"
REPORT = "report.html"

T = TypeVar("T")


def notify(
    settings: str,
    workspace: str,
    run: str,
    state: str | None = None,
    message: str = "",
    graph: Sequence[str] = (),
    artifact: str | None = None,
) -> Summary:
    """Leave `summary.json` and `report.html` in the run folder, post the summary, and log it.

    Args:
        settings: The run's settings, YAML text.
        workspace: Where committed folders lie.
        run: The run's folder.
        state: How the pipeline says that it ended (platen.core.outcome); None to judge by the records.
        message: What the pipeline says of its failure.
        graph: The stages of the graph in order; empty where it is not known.
        artifact: File that gets the report too, or why there is none; for the user interface.

    Raises what kept the summary from being written, after all else was done.
    """
    chosen = read_settings(settings)
    evidence = gather(run, workspace)
    where = whole(join(run, REPORT))
    summary = summarise(evidence, load_truth(chosen.truth), state, message or "", where, graph)
    if not attempt("the report", lambda: write_report(summary, evidence, run, artifact)):
        summary = summary.model_copy(update={"report": None})
    try:
        store_for(run).write(join(run, SUMMARY), summary.model_dump_json(indent=1).encode())
    finally:  # where the disk is full, these are all that is left to tell it
        attempt("the webhook", lambda: tell(summary, chosen))
        tell_run(summary)
    return summary


def read_settings(text: str) -> NotifySettings:
    """The section of notify; its defaults, with a warning, where it cannot be used: too late to stop the run for it."""
    try:
        return section(NotifySettings, text, "notify")
    except PlatenError as error:
        log.warning("notify continues with its default settings: %s", error)
        return NotifySettings.model_validate({})


def write_report(summary: Summary, evidence: Evidence, run: str, artifact: str | None) -> None:
    """Draw the report page and write it into the run folder, and to an artifact's file if there is one."""
    with explained(artifact):
        from platen.components.notify.report.page import render

        page = render(summary, evidence)
    if artifact is not None:
        attempt("the report's artifact", lambda: write_page(artifact, page))
    store_for(run).write(join(run, REPORT), page.encode())


def attempt(what: str, work: Callable[[], object]) -> bool:
    """Do what the run's outcome must not depend on; False, with the traceback in the log, where it fails."""
    try:
        work()
    except Exception:
        log.exception("%s could not be created", what)
        return False
    return True
