"""truth.json: what a drawn folder holds, so that what the chain makes of it can be checked."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from platen.components.sample.settings import SampleSettings
from platen.core.manifest import Json, canonical, list_files, sha256
from platen.core.storage import write_file

TRUTH = "truth.json"
UNFINISHED = ".drawing"  # stands in the folder while it is being drawn
VERSION = 2  # raise it when the same settings give another sample


class Truth(BaseModel):
    """What was drawn.

    Attributes:
        version: Of the drawing code.
        settings: That the sample was drawn with.
        planted: Samples with a fault for which they must be dropped, by reason. Each has one fault only.
        repaired: Clean samples with something to repair, by its name. Each has one such thing only.
        clean: Samples that must survive, the repaired ones among them.
        combinations: What the clean ones show: colour, shape, background and number of pictures.
        digest: Of all files but this one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = VERSION
    settings: dict[str, Json]
    planted: dict[str, int]
    repaired: dict[str, int]
    clean: int
    combinations: list[dict[str, Json]]
    digest: str


def drawn(settings: SampleSettings, folder: Path) -> Truth | None:
    """The truth of a folder that holds exactly this sample, every file as it was drawn; otherwise None."""
    truth = read_truth(folder)
    if truth is None or truth.version != VERSION or truth.settings != settings.model_dump(mode="json"):
        return None
    return truth if truth.digest == content_digest(folder) else None


def read_truth(folder: Path) -> Truth | None:
    """The truth of a folder, or None where there is none that can be read."""
    try:
        return Truth.model_validate_json((folder / TRUTH).read_bytes())
    except (OSError, ValidationError):
        return None


def write_truth(folder: Path, truth: Truth) -> None:
    """Write truth.json; a folder with it is drawn whole."""
    write_file(folder / TRUTH, canonical(truth.model_dump(mode="json"), indent=1) + b"\n")


def content_digest(folder: Path) -> str:
    """SHA-256 over path, size and content of every file but truth.json and the mark of a folder in the making."""
    files = [file.model_dump() for file in list_files(folder) if file.path not in (TRUTH, UNFINISHED)]
    return sha256(canonical(files))
