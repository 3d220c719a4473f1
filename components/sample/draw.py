"""Drawing the sample: a folder of pictures with captions, a table of URLs, a web folder, prompts, and the truth."""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from platen.components.sample import captions, faults
from platen.components.sample.prompts import prompts
from platen.components.sample.settings import DUPLICATES, EACH, REPAIRS, SampleSettings
from platen.components.sample.truth import TRUTH, UNFINISHED, Truth, content_digest, drawn, read_truth, write_truth
from platen.components.sample.web import FAULTS, LINK_LOCAL
from platen.components.sample.world import COMBINATIONS, Gallery, Scene, describe
from platen.core.errors import InputError
from platen.core.manifest import canonical
from platen.core.storage import saving, write_file
from platen.core.telemetry import log, progress

if TYPE_CHECKING:
    from PIL import Image

PARTS = ("pictures", "web", "urls.csv", "prompts.jsonl", TRUTH)
FAULTY = len(faults.BAD_PICTURES) + len(captions.BAD_CAPTIONS) + EACH * len(DUPLICATES)
LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0")
ON_WEB = 6  # every sixth sample is only reachable over HTTP
REFUSED = (LINK_LOCAL, "http://127.0.0.1:{port}/pictures/0.png", "file:///etc/passwd", "http://10.0.0.7/0.png")


def draw(settings: SampleSettings, folder: Path) -> Truth:
    """Draw the sample into a folder; a no-op where it holds exactly this sample.

    Args:
        settings: What to draw; the same settings give the same bytes.
        folder: New, empty, or of an earlier sample, which is then drawn again.

    Raises:
        InputError: The folder holds something else.
        StorageError: No space, no permission.
    """
    found = drawn(settings, folder)
    if found is not None:
        log.info("%s: this sample exists already", folder)
        return found
    with saving(str(folder)):
        _clear(folder, settings)
        desk = _Desk(settings, folder)
        faulty = FAULTY + len(FAULTS) * settings.web
        with progress("drawing the sample", settings.pictures + faulty * settings.faults, "samples") as desk.advance:
            originals = _draw_clean(desk)
            _draw_duplicates(desk, originals)
            _draw_bad_pictures(desk)
            _draw_bad_captions(desk)
            if settings.web:
                _name_bad_addresses(desk)
        desk.finish()
        truth = _truth(desk)
        write_truth(folder, truth)
        (folder / UNFINISHED).unlink()
    return truth


class _Desk:
    """What is drawn so far, and where the next sample goes."""

    def __init__(self, settings: SampleSettings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.random = Random(settings.seed)
        self.gallery = Gallery(self.random)
        self.planted: Counter[str] = Counter()
        self.repaired: Counter[str] = Counter()
        self.shown: Counter[tuple[str, str, str]] = Counter()
        self.advance: Callable[[int], None] = lambda _: None
        self._count = 0
        self._urls: list[tuple[str, str, str]] = []
        self._licences: list[dict[str, str]] = []

    def scene(self, number: int) -> tuple[Scene, Image.Image, str]:
        """A new scene, its picture and its caption; combinations take turns."""
        scene, picture = self.gallery.add(COMBINATIONS[number % len(COMBINATIONS)])
        return scene, picture, describe(self.random, scene)

    def add(self, data: bytes, suffix: str, caption: str | None, *, on_web: bool = False) -> None:
        """Put a picture and its caption into the folder, or onto the web where the sample has one."""
        name = f"{self._count:05d}.{suffix}"
        self._count += 1
        if on_web and self.settings.web:
            (self.folder / "web" / "pictures" / name).write_bytes(data)
            self.add_url(f"/pictures/{name}", caption)
            return
        path = self.folder / "pictures" / name
        path.write_bytes(data)
        if caption is not None:
            path.with_suffix(".txt").write_text(caption, encoding="utf-8", newline="")
        if self._count % 10:  # one in ten says nothing of its licence
            self._licences.append({"file_name": name, "licence": self._licence()})
        self.advance(1)

    def add_url(self, path: str, caption: str | None) -> None:
        """List an address: a path on the local server, or a whole URL."""
        url = path if "://" in path else f"http://{self.settings.host}:{self.settings.port}{path}"
        self._urls.append((url, caption or "", self._licence()))
        self.advance(1)

    def finish(self) -> None:
        """Write the tables."""
        write_file(self.folder / "pictures" / "metadata.jsonl", _lines(self._licences))
        write_file(self.folder / "prompts.jsonl", _lines(prompts()))
        if not self.settings.web:
            return
        table = io.StringIO(newline="")
        csv.writer(table, lineterminator="\n").writerows([("url", "caption", "licence"), *self._urls])
        write_file(self.folder / "urls.csv", table.getvalue().encode())
        write_file(self.folder / "web" / "robots.txt", b"User-agent: *\nDisallow: /private/\n")

    def _licence(self) -> str:
        return self.random.choice(LICENCES)


def _draw_clean(desk: _Desk) -> list[tuple[bytes, str, Image.Image, str]]:
    """Draw what must survive; returns the pictures to make duplicates of: bytes, suffix, picture, caption."""
    settings = desk.settings
    repairs = [name for name in REPAIRS for _ in range(settings.faults)]
    duplicates = settings.faults * EACH * len(DUPLICATES)
    originals = []
    for number in range(settings.pictures):
        scene, picture, caption = desk.scene(number)
        shows = scene.shows
        desk.shown[shows.colour, shows.shape, shows.background] += 1
        suffix = desk.random.choice(faults.SUFFIXES)
        on_web = number % ON_WEB == ON_WEB - 1
        if number < len(repairs):
            desk.repaired[repairs[number]] += 1
            _add_soiled(desk, repairs[number], picture, suffix, caption, on_web=on_web)
            continue
        data = faults.encode(picture, suffix)
        desk.add(data, suffix, caption, on_web=on_web)
        if number < len(repairs) + duplicates:
            originals.append((data, suffix, picture, caption))
    return originals


def _add_soiled(desk: _Desk, name: str, picture: Image.Image, suffix: str, caption: str, *, on_web: bool) -> None:
    number = desk.repaired[name] - 1
    if name == "exif_rotation":
        desk.add(faults.rotated(picture, number), "jpg", caption, on_web=on_web)
        return
    soil = captions.SOILED[name][number % len(captions.SOILED[name])]
    desk.add(faults.encode(picture, suffix), suffix, soil(caption), on_web=on_web)


def _draw_duplicates(desk: _Desk, originals: list[tuple[bytes, str, Image.Image, str]]) -> None:
    """Draw each original a second time: the first half byte for byte, the others nearly."""
    for number, (data, suffix, picture, caption) in enumerate(originals):
        on_web = number % ON_WEB == 0
        exact = number < len(originals) // 2
        desk.planted["exact_duplicate" if exact else "near_duplicate"] += 1
        if exact:
            desk.add(data, suffix, caption, on_web=on_web)
        else:
            desk.add(faults.nearly_the_same(desk.random, picture), "jpg", caption, on_web=on_web)


def _draw_bad_pictures(desk: _Desk) -> None:
    for reason, make in faults.BAD_PICTURES.items():
        for number in range(desk.settings.faults):
            _, picture, caption = desk.scene(number)
            desk.planted[reason] += 1
            desk.add(*make(picture, number), caption, on_web=number % ON_WEB == 1)


def _draw_bad_captions(desk: _Desk) -> None:
    for reason, choices in captions.BAD_CAPTIONS.items():
        for number in range(desk.settings.faults):
            _, picture, _ = desk.scene(number)
            suffix = desk.random.choice(faults.SUFFIXES)
            desk.planted[reason] += 1
            desk.add(faults.encode(picture, suffix), suffix, choices[number % len(choices)])


def _name_bad_addresses(desk: _Desk) -> None:
    """List addresses that cannot or must not be fetched."""
    for reason, paths in FAULTS.items():
        choices = (*paths, *(REFUSED if reason == "address_refused" else ()))
        for number in range(desk.settings.faults):
            path = choices[number % len(choices)].format(n=number, port=desk.settings.port)
            once = path if "/faults/" in path else f"{path}?{number}"
            desk.planted[reason] += 1
            desk.add_url(once, f"a picture that cannot be had, number {number}")


def _truth(desk: _Desk) -> Truth:
    shown = [
        {"colour": colour, "shape": shape, "background": background, "pictures": number}
        for (colour, shape, background), number in sorted(desk.shown.items())
    ]
    return Truth(
        settings=desk.settings.model_dump(mode="json"),
        planted=dict(sorted(desk.planted.items())),
        repaired=dict(sorted(desk.repaired.items())),
        clean=desk.settings.pictures,
        combinations=shown,
        digest=content_digest(desk.folder),
    )


def _clear(folder: Path, settings: SampleSettings) -> None:
    """Empty a folder of what an earlier sample left, and of nothing else."""
    ours = (folder / UNFINISHED).exists() or read_truth(folder) is not None
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: a file. Accepted: a new or empty folder, or one with an earlier sample")
    if folder.is_dir() and not ours and any(folder.iterdir()):
        raise InputError(f"{folder}: holds something other than a sample. Accepted: a new or empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UNFINISHED).touch()
    for part in PARTS:
        path = folder / part
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (folder / "pictures").mkdir()
    if settings.web:
        (folder / "web" / "pictures").mkdir(parents=True)


def _lines(rows: list[dict[str, str]] | list[dict[str, str | int]]) -> bytes:
    return b"".join(canonical(row) + b"\n" for row in rows)
