"""Train the base model's UNet on encoded pictures and write the result as a diffusers folder."""

from __future__ import annotations

import json

from platen.components.train.local import run_torchrun
from platen.components.train.schedule import learning_rate
from platen.components.train.settings import TrainSettings
from platen.manifest import Json, canonical
from platen.stage import Inputs, Outcome, Place, Stage
from platen.storage import write_file

LAST = 50  # steps over which the last loss is averaged: a single step's is mostly noise


def train(settings: TrainSettings, inputs: Inputs, place: Place) -> Outcome:
    """Run the training processes, then take over their export and its history."""
    work = place.scratch
    job = work / "job.json"
    paths = {"encoded": str(inputs["encoded"].path.resolve()), "base": str(inputs["base"].path.resolve())}
    write_file(job, canonical({"settings": dict(settings), "work": str(work.resolve()), **paths}))
    run_torchrun(job, work, settings)
    result = json.loads((work / "result.json").read_bytes())
    (work / "export").rename(place.out / "export")
    for item in (place.out / "export").iterdir():
        item.rename(place.out / item.name)
    (place.out / "export").rmdir()
    rates = [learning_rate(settings, step) for step in range(settings.steps)]
    write_file(place.out / "history.json", canonical({"loss": result["losses"], "learning_rate": rates}))
    samples = settings.steps * settings.global_batch
    place.observe(train_seconds=result["seconds"], samples_per_second=samples / result["seconds"])
    return Outcome(
        counts={"steps": settings.steps, "samples": samples},
        licences=inputs["encoded"].manifest.licences,
        facts=facts(settings, inputs, result),
    )


def facts(settings: TrainSettings, inputs: Inputs, result: dict[str, Json]) -> dict[str, Json]:
    """What the manifest says of a model."""
    losses = result["losses"]
    return {
        **inputs["base"].manifest.facts,
        "zero": result["zero"],
        "steps": settings.steps,
        "first_loss": losses[0],
        "last_loss": sum(losses[-LAST:]) / len(losses[-LAST:]),
        "export_error": result["export_error"],
    }


STAGE = Stage(name="train", version=1, kind="model", settings=TrainSettings, inputs=("encoded", "base"), work=train)
