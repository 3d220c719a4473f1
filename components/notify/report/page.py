"""The report page of a run: every part that the run got to, and a word on each that it did not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platen.components.notify.evidence import Evidence
from platen.components.notify.report import parts
from platen.components.notify.report.album import Album
from platen.components.notify.report.charts import number
from platen.components.notify.summary import Summary
from platen.components.notify.table import outcome_line
from platen.core.errors import PlatenError
from platen.core.telemetry import log

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

Builder = Callable[[Summary, Evidence, Album], parts.Part]

PARTS: dict[str, tuple[str, Builder]] = {
    "retraining": ("Whether to train again", parts.retraining),
    "data": ("What came in, what was dropped", parts.data),
    "training": ("Training", parts.training),
    "generated": ("Generated pictures", parts.generated),
    "evaluation": ("Evaluation", parts.evaluation),
    "bias": ("Bias", parts.bias),
    "gate": ("Gate", parts.gate),
    "monitor": ("Monitor", parts.monitor),
    "lineage": ("Lineage", parts.lineage),
    "timing": ("Where the time went", parts.timing),
    "reproduce": ("Make it again", parts.reproduce),
}


@dataclass(frozen=True)
class Section:
    """One part of the page: what it shows, or (body None) why it is not there."""

    name: str
    title: str
    body: Markup | None
    missing: str = ""


def render(summary: Summary, evidence: Evidence) -> str:
    """The page as one HTML text that needs nothing beside it. What pictures and captions say is escaped."""
    album = Album()
    templates = environment()
    wanted = [name for name in PARTS if name != "retraining" or summary.retraining]  # only a retraining has that
    sections = [draw(name, summary, evidence, album, templates) for name in wanted]
    return templates.get_template("page.html").render(
        summary=summary,
        outcome=outcome_line(summary),
        figures=parts.figures(summary),
        notes=evidence.notes,
        sections=[section for section in sections if section.body is not None],
        missing=[section for section in sections if section.body is None],
        refused=album.refused,
    )


def draw(name: str, summary: Summary, evidence: Evidence, album: Album, templates: Environment) -> Section:
    """One part. Where it cannot be drawn the page says why, and the others are still there."""
    from jinja2 import TemplateRuntimeError
    from markupsafe import Markup

    title, build = PARTS[name]
    try:
        values = build(summary, evidence, album)
        text = templates.get_template(f"{name}.html").render(part=values)
    except PlatenError as error:
        return Section(name, title, None, str(error))
    except (LookupError, TypeError, ValueError, AttributeError, OSError, TemplateRuntimeError) as error:
        log.warning("report: %s cannot be rendered: %r", name, error)
        return Section(name, title, None, f"what it is made from has another shape than expected ({error!r})")
    return Section(name, title, Markup(text))  # noqa: S704 - the template has escaped it


def environment() -> Environment:
    """The templates beside this file; what they are given is escaped, and a name that is not given is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = number
    made.filters["moment"] = lambda time: f"{time[:10]} {time[11:16]} UTC"
    made.filters["words"] = lambda name: name.replace("_", " ")
    return made
