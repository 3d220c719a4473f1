"""The demo: a sample world with planted faults, its web folder served on this machine, and the content pipeline."""

from __future__ import annotations

import time
from pathlib import Path

from platen import records
from platen.components.sample.draw import draw
from platen.components.sample.truth import TRUTH, drawn
from platen.components.sample.web import serving
from platen.pipelines.local import local_folder, run_content
from platen.pipelines.settings import RunSettings
from platen.records import Record
from platen.storage import is_local, join, store_for
from platen.telemetry import log, track

SAMPLE = "sample"


def run_demo(text: str, settings: RunSettings, *, docker: bool = False) -> None:
    """Draw (unless it is drawn), serve, run; ends by naming what to look at next."""
    folder = local_folder(settings.run) / SAMPLE
    draw_recorded(settings, folder)
    if not is_local(settings.run):
        share(folder, join(settings.run, SAMPLE))
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


def share(folder: Path, uri: str) -> None:
    """Copy what the stages read into the run's bucket, the truth last: it stands for the whole."""
    store = store_for(uri)
    if store.read(join(uri, TRUTH)) == (folder / TRUTH).read_bytes():
        return
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_relative_to(folder / "web")]
    files.sort(key=lambda path: path.name == TRUTH)
    for path in track(files, "sample: uploading", len(files), "files"):
        store.put(path, join(uri, path.relative_to(folder).as_posix()))
