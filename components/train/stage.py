"""Train the base model's network on encoded images and write the result as a diffusers folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from platen.artifacts.history import TrainingHistory
from platen.artifacts.metadata import EncodedMetadata, ModelMetadata
from platen.artifacts.training_run import Measured, TrainingRun, Zero
from platen.components.train.data.fit import check_fit
from platen.components.train.job import EXPORT, RESULT, write_job
from platen.components.train.models.settings import check_adapters
from platen.components.train.node.local import run_here
from platen.components.train.optimization.schedule import learning_rate
from platen.components.train.planned.follow import follow
from platen.components.train.presets import PRESETS, leaves
from platen.components.train.rank.incidents import read_incidents
from platen.components.train.settings import TrainSettings
from platen.core.errors import InputError, ProcessError, SettingsError
from platen.core.manifest import File, Json, check_files
from platen.core.settings import everything
from platen.core.stage import Inputs, Outcome, Place, Stage
from platen.core.storage import is_local, join, store_for
from platen.core.telemetry import log
from platen.families.base import Family
from platen.families.registry import family_of
from platen.tasks.diffusion.prediction_type import check_objective

LAST = 50  # steps over which the last loss is averaged: a single step's is mostly noise


def train(settings: TrainSettings, inputs: Inputs, place: Place) -> Outcome:
    """Run the training processes, then take over their export and its history."""
    check_objective(settings.objective, inputs["base"])
    family = check_family(inputs)
    check_adapters(settings.lora, family, as_tokens=EncodedMetadata.of(inputs["encoded"]).as_tokens)
    if read_result(place.shared) is None:
        check_fit(settings, inputs["encoded"])
        begin(settings)
        launcher(settings)(write_job(settings, inputs, place.shared, place.workspace), settings, place)
    result = read_result(place.shared)
    if result is None:
        raise ProcessError(f"training ended well, but left no {RESULT} in {place.shared}")
    take_export(place.shared, [File.model_validate(file) for file in result["files"]], place.out)
    rates = [learning_rate(settings, step) for step in range(settings.steps)]
    left_out = [step for step, loss in enumerate(result["losses"]) if loss is None]
    TrainingHistory(loss=result["losses"], learning_rate=rates, left_out=left_out).write(place.out)
    observe(place, settings, result)
    return Outcome(
        counts={"steps": settings.steps, "samples": settings.steps * settings.global_batch},
        licences=inputs["encoded"].manifest.licences,
        facts=facts(settings, inputs, result),
    )


def check_family(inputs: Inputs) -> Family:
    """Return the base model's family. Raises InputError unless it is the one that the dataset was encoded with."""
    family = family_of(inputs["base"].part("model_index.json"))
    encoded = EncodedMetadata.of(inputs["encoded"]).family
    if encoded not in (None, family.name):
        raise InputError(f"{inputs['encoded'].uri}: encoded with {encoded}; the base model is {family.name}")
    return family


def begin(settings: TrainSettings) -> None:
    """Say what a preset has set. Raises SettingsError where a plan's nodes are more than this machine."""
    planned = settings.planned_for
    if planned is not None and planned.nodes > 1 and settings.job is None:
        problem = f"{planned}, but train.job is null: this machine alone"
        raise SettingsError("train.planned_for", problem, f"job: {{nodes: {planned.nodes}, ...}}, or another plan")
    if settings.preset is not None:
        values = dict(leaves(everything(settings)))
        names = [name for name, _ in leaves(PRESETS[settings.preset].sets(settings.zero.secondary_partition))]
        log.info("train: preset %s: %s", settings.preset, ", ".join(f"{name} {values[name]}" for name in names))


def launcher(settings: TrainSettings) -> Callable[[str, TrainSettings, Place], None]:
    """What runs a job to its end: torchrun on this machine, or a PyTorchJob."""
    if settings.job is None:
        return run_here
    from platen.components.train.cluster.workload import launch

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
    """What was measured, how often it began, how it was split, what was left out; the rate is the last attempt's."""
    *_, last = began = result["began"]
    seconds = result["seconds"]
    rate = (settings.steps - last) * settings.global_batch / seconds
    run = TrainingRun(
        train_seconds=seconds,
        samples_per_second=rate,
        resumed_after=began[1:],
        zero=Zero.model_validate(result["zero"]),
        left_out=[incident.model_dump(mode="json") for incident in read_incidents(place.shared).values()],
        measured=Measured.model_validate(result["measured"]),
    )
    place.observe(**run.notes())


def facts(settings: TrainSettings, inputs: Inputs, result: dict[str, Json]) -> dict[str, Json]:
    """Return what the manifest says of a model. Raises InputError where no batch had a finite loss."""
    losses = [loss for loss in result["losses"] if loss is not None]
    if not losses:
        raise InputError(f"{inputs['encoded'].uri}: no batch could be trained on; the loss of each was NaN or infinite")
    base, encoded = ModelMetadata.of(inputs["base"]), EncodedMetadata.of(inputs["encoded"])
    trained = {
        "family": encoded.family or base.family,
        "resolution": encoded.resolution,
        "steps": settings.steps,
        "first_loss": losses[0],
        "last_loss": sum(losses[-LAST:]) / len(losses[-LAST:]),
        "export_error": result["export_error"],
    }
    return base.model_copy(update=trained).facts()


STAGE = Stage(
    name="train",
    version=3,
    kind="model",
    settings=TrainSettings,
    inputs={"encoded": "encoded", "base": "model"},
    work=train,
    advice={"plan": "report"},
    advised=follow,
)
