"""The demo: a sample world with planted faults, its web folder served on this machine, and the content pipeline."""

from __future__ import annotations

import time
from pathlib import Path

from platen import records
from platen.components.sample.draw import draw
from platen.components.sample.truth import drawn
from platen.components.sample.web import serving
from platen.pipelines.local import local_folder, run_content
from platen.pipelines.settings import RunSettings
from platen.records import Record
from platen.storage import join
from platen.telemetry import log

SAMPLE = "sample"


def run_demo(text: str, settings: RunSettings, *, docker: bool = False) -> None:
    """Draw (unless it is drawn), serve, run; ends by naming what to look at next."""
    folder = local_folder(settings.run) / SAMPLE
    draw_recorded(settings, folder)
    with serving(folder / "web", settings.sample.host, settings.sample.port):
        run_content(text, settings.workspace, settings.run, docker=docker)
    log.info("open %s, then try: platen serve --workspace %s", join(settings.run, "report.html"), settings.workspace)


def draw_recorded(settings: RunSettings, folder: Path) -> None:
    """Draw the sample world and leave a record of it like a stage's."""
    started = time.time()
    cached = drawn(settings.sample, folder) is not None
    if not cached:
        draw(settings.sample, folder)
    seconds = round(time.time() - started, 3)
    record = Record(name=SAMPLE, status="done", started=started, seconds=seconds, uri=str(folder), cached=cached)
    records.save(settings.run, record)
    log.info("sample: %s %s", "found" if cached else f"drawn in {seconds:.1f} s:", folder)
