"""Artifacts that the user interface of Kubeflow Pipelines renders: Markdown pages and scalar metrics.

They are derived from the committed folder, so that a cached output shows what it showed when it was made. The output is
there already when they are made: a failure here is logged, and the stage succeeds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from platen.core.component import Artifact
from platen.core.errors import CorruptError
from platen.core.manifest import Json, Manifest
from platen.core.stage import Folder
from platen.core.storage import join
from platen.core.telemetry import log

Cell = str | int | float
LONGEST = 200  # characters of a cell
MOST_ROWS = 100  # the user interface cuts a page at 400,000 characters
REPAIRED = "repaired_"  # how the counts of what was repaired and kept begin
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:=@^$])")


def show_metrics(output: Artifact, read: Callable[[], Mapping[str, Json]]) -> None:
    """Put numbers into the metadata of a `system.Metrics` artifact, where "compare runs" looks for them."""
    try:
        output.metadata.update(finite(read()))
    except Exception:
        log.exception("%s: the metrics could not be shown", output.path)


def show_markdown(output: Artifact, make: Callable[[], str]) -> None:
    """Write a `system.Markdown` artifact; where it cannot be made, the page says why."""
    try:
        page = make()
    except Exception as error:
        log.exception("%s: the page could not be created", output.path)
        page = f"This page could not be created: {escape(f'{type(error).__name__}: {error}')}\n"
    try:
        write_page(output.path, page)
    except OSError:
        log.exception("%s could not be written", output.path)


def write_page(path: str, text: str) -> None:
    """Write the file of an artifact."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def finite(values: Mapping[str, Json]) -> dict[str, float]:
    """Keep the numbers; what is missing or not finite is left out (JSON, which metadata is sent as, has no NaN)."""
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    }


def read_object(folder: Folder, name: str) -> dict[str, Json]:
    """Read a JSON object from a committed folder. Raises CorruptError if it is not there."""
    data = folder.read(name)
    if data is None:
        raise CorruptError(f"{join(folder.uri, name)}: no such file")
    return dict(json.loads(data))


def render_drops(manifest: Manifest) -> str:
    """Render what a stage kept, dropped and repaired as Markdown."""
    dropped = sum(manifest.dropped.values())
    kept = manifest.counts.get("samples", 0)
    repaired = {
        name.removeprefix(REPAIRED): number for name, number in manifest.counts.items() if name.startswith(REPAIRED)
    }
    parts = [
        f"# {escape(manifest.made_by.stage)}",
        table(("", "Samples"), [("in", kept + dropped), ("dropped", dropped), ("out", kept)]),
        "## Dropped",
        drop_table(manifest.dropped),
    ]
    if repaired:
        parts += ["## Repaired and kept", table(("Repaired", "Samples"), sorted(repaired.items()))]
    if manifest.licences:
        parts += ["## Licenses", table(("License", "Samples"), most_first(manifest.licences))]
    return page(parts)


def drop_table(dropped: Mapping[str, int]) -> str:
    """Render how many samples were dropped for each reason; the most frequent reason comes first."""
    return table(("Reason", "Samples"), most_first(dropped)) if dropped else "Nothing was dropped."


def most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Sort counts, largest first, and by name where they are equal."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def page(parts: Iterable[str]) -> str:
    """Join the parts of a page, an empty line between them."""
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Render a Markdown table. Cells are escaped; columns of numbers are aligned to the right."""
    shown = rows[:MOST_ROWS]
    numeric = [all(isinstance(row[column], (int, float)) for row in shown) for column in range(len(header))]
    lines = [_line(header), "|" + "|".join("---:" if right else "---" for right in numeric) + "|"]
    lines += [_line(row) for row in shown]
    if len(rows) > len(shown):
        lines.append(_line([f"and {len(rows) - len(shown)} more", *[""] * (len(header) - 1)]))
    return "\n".join(lines)


def escape(text: str) -> str:
    """Make a text from data stand for itself in a line of Markdown: no markup, no HTML, no link, no line break."""
    line = "".join(character for character in " ".join(text.split()) if character.isprintable())
    if len(line) > LONGEST:
        line = line[: LONGEST - 1] + "…"
    return SPECIAL.sub(r"\\\1", "".join(ENTITIES.get(character, character) for character in line))


def _line(cells: Sequence[Cell]) -> str:
    return "| " + " | ".join(escape(cell if isinstance(cell, str) else f"{cell:,}") for cell in cells) + " |"
