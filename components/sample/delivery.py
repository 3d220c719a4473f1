"""Delivering the sample to where the stages read it, with a record of it like a stage's."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import ValidationError

from platen.components.sample.draw import draw
from platen.components.sample.settings import SampleSettings
from platen.components.sample.truth import TRUTH, VERSION, Truth, drawn
from platen.core import records
from platen.core.manifest import canonical, sha256
from platen.core.records import Record
from platen.core.storage import join, scratch, store_for
from platen.core.telemetry import log, track

THREADS = 16
SAMPLE = "sample"  # its name among the stages of a run


def shared_folder(settings: SampleSettings, workspace: str) -> str:
    """Return where a workspace keeps this sample. Another sample has another folder: two runs never mix theirs."""
    digest = sha256(canonical([VERSION, settings.model_dump(mode="json")]))[:12]
    return join(workspace, "demo", f"sample-{digest}")


def deliver(settings: SampleSettings, workspace: str, run: str) -> str:
    """Draw the sample and copy it into the workspace, unless it lies there; returns its folder."""
    started = time.time()
    uri = shared_folder(settings, workspace)
    cached = _lies_there(settings, uri)
    if not cached:
        folder = scratch() / "samples" / uri.rpartition("/")[2]
        draw(settings, folder)
        share(folder, uri)
    record(run, uri, started, cached=cached)
    return uri


def draw_recorded(settings: SampleSettings, folder: Path, run: str) -> None:
    """Draw the sample into a folder of this machine, unless it is drawn."""
    started = time.time()
    cached = drawn(settings, folder) is not None
    if not cached:
        draw(settings, folder)
    record(run, str(folder), started, cached=cached)


def record(run: str, uri: str, started: float, *, cached: bool) -> None:
    """Leave a record of the sample in the run's folder."""
    seconds = round(time.time() - started, 3)
    made = Record(name=SAMPLE, status="done", started=started, seconds=seconds, uri=uri, cached=cached)
    records.save(run, made)
    log.info("sample: %s %s", "cached:" if cached else f"drawn in {seconds:.1f} s:", uri)


def share(folder: Path, uri: str) -> None:
    """Copy what the stages read to a bucket or a volume, the truth last: it stands for the whole."""
    store = store_for(uri)
    if store.read(join(uri, TRUTH)) == (folder / TRUTH).read_bytes():
        return
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_relative_to(folder / "web")]
    files.remove(folder / TRUTH)

    def put(path: Path) -> None:
        store.put(path, join(uri, path.relative_to(folder).as_posix()))

    with ThreadPoolExecutor(THREADS) as pool:  # one by one, thousands of small files take minutes to a bucket
        for _ in track(pool.map(put, files), "sample: uploading", len(files), "files"):
            pass
    put(folder / TRUTH)


def _lies_there(settings: SampleSettings, uri: str) -> bool:
    """Return whether the whole sample was copied there: the truth is written last."""
    data = store_for(uri).read(join(uri, TRUTH))
    try:
        truth = None if data is None else Truth.model_validate_json(data)
    except ValidationError:
        return False
    return truth is not None and (truth.version, truth.settings) == (VERSION, settings.model_dump(mode="json"))
