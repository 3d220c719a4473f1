"""Train the base model's UNet on encoded pictures and write the result as a diffusers folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from platen.components.train.data.fit import check_fit
from platen.components.train.job import EXPORT, RESULT, write_job
from platen.components.train.node.local import run_here
from platen.components.train.optimization.schedule import learning_rate
from platen.components.train.settings import TrainSettings
from platen.errors import ProcessError
from platen.manifest import File, Json, canonical, check_files
from platen.stage import Inputs, Outcome, Place, Stage
from platen.storage import is_local, join, store_for, write_file

LAST = 50  # steps over which the last loss is averaged: a single step's is mostly noise


def train(settings: TrainSettings, inputs: Inputs, place: Place) -> Outcome:
    """Run the training processes, then take over their export and its history."""
    if read_result(place.shared) is None:
        check_fit(settings, inputs["encoded"])
        launcher(settings)(write_job(settings, inputs, place.shared), settings, place)
    result = read_result(place.shared)
    if result is None:
        raise ProcessError(f"training ended well, but left no {RESULT} in {place.shared}")
    take_export(place.shared, [File.model_validate(file) for file in result["files"]], place.out)
    rates = [learning_rate(settings, step) for step in range(settings.steps)]
    write_file(place.out / "history.json", canonical({"loss": result["losses"], "learning_rate": rates}))
    observe(place, settings, result)
    return Outcome(
        counts={"steps": settings.steps, "samples": settings.steps * settings.global_batch},
        licences=inputs["encoded"].manifest.licences,
        facts=facts(settings, inputs, result),
    )


def launcher(settings: TrainSettings) -> Callable[[str, TrainSettings, Place], None]:
    """What runs a job to its end: torchrun on this machine, or a PyTorchJob."""
    if settings.job is None:
        return run_here
    from platen.components.train.kubernetes.launch import launch

    return launch


def read_result(shared: str) -> dict[str, Json] | None:
    """What the ranks said at the end; None as long as training is not finished."""
    data = store_for(shared).read(join(shared, RESULT))
    return None if data is None else dict(json.loads(data))


def take_export(shared: str, files: list[File], out: Path) -> None:
    """The exported files in the output folder; on a file system they are linked, so that nothing is copied."""
    for file in files:
        uri, path = join(shared, EXPORT, file.path), out / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_local(shared):
            link(Path(uri), path)
        else:
            store_for(shared).get(uri, path)
    check_files(out, files, join(shared, EXPORT))


def link(path: Path, new: Path) -> None:
    """A second name for a file; a copy where the file system knows no such thing."""
    try:
        os.link(path, new)
    except OSError:
        shutil.copyfile(path, new)


def observe(place: Place, settings: TrainSettings, result: dict[str, Json]) -> None:
    """Durations, after which steps attempts went on, how the model was split; the rate is that of the last attempt."""
    *_, last = began = result["began"]
    seconds = result["seconds"]
    rate = (settings.steps - last) * settings.global_batch / seconds
    place.observe(train_seconds=seconds, samples_per_second=rate, resumed_after=began[1:], zero=result["zero"])


def facts(settings: TrainSettings, inputs: Inputs, result: dict[str, Json]) -> dict[str, Json]:
    """What the manifest says of a model."""
    losses = result["losses"]
    return {
        **inputs["base"].manifest.facts,
        "steps": settings.steps,
        "first_loss": losses[0],
        "last_loss": sum(losses[-LAST:]) / len(losses[-LAST:]),
        "export_error": result["export_error"],
    }


STAGE = Stage(name="train", version=2, kind="model", settings=TrainSettings, inputs=("encoded", "base"), work=train)
