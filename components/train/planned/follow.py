"""Settings of a training as a plan has them, under what was set by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from platen.artifacts.plan import PlannedTraining
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.settings import build, given, over
from platen.core.stage import Folder, Inputs
from platen.core.telemetry import log

SAME = (
    "steps",
    "global_batch",
    "precision",
)  # what is trained: a plan takes it from the settings, and never changes it


def follow(settings: TrainSettings, inputs: Inputs) -> TrainSettings:
    """The settings with those of the plan; as they are where there is none.

    What was set by hand stays, and is told where the plan has something else.

    Raises SettingsError where the plan is for another training, or does not go with what was set by hand.
    """
    plan = inputs["plan"]
    training = PlannedTraining.read(plan)
    if training is None:
        return settings
    planned = _planned(training, settings)
    _check_same(settings, planned, plan)
    mine = given(settings)
    for name, value, wanted in _differences(mine, planned):
        log.warning("train: train.%s %s is set; the plan's %s is not taken", name, value, wanted)
    followed = build(TrainSettings, over(planned, mine), plan.uri, "train")
    log.info("train: planned for %s: %s", followed.planned_for, plan.uri)
    return followed


def _planned(training: PlannedTraining, settings: TrainSettings) -> dict[str, Any]:
    """The plan's settings; where there is a job in the settings, also how many pods it is to have."""
    if settings.job is None:
        return training.section()
    made_for = training.planned_for
    job = {"nodes": made_for.nodes, "processes_per_node": made_for.gpus_per_node, "gpu": "nvidia.com/gpu"}
    return {**training.section(), "job": {**job, "memory": f"{made_for.host_gib}Gi"}}


def _check_same(settings: TrainSettings, planned: Mapping[str, Any], plan: Folder) -> None:
    if settings.preset is not None:
        problem = f"{settings.preset}, and a plan is followed, which decides the same"
        raise SettingsError("train.preset", problem, "either of the two: no preset, or plan.use: false")
    if settings.lora is not None:
        problem = "set, and a plan is followed, which is for a training of all weights of the network"
        raise SettingsError("train.lora", problem, "either of the two: lora null, or plan.use: false")
    for name in SAME:
        value = getattr(settings, name)
        if value != planned[name]:
            problem = f"{value}, but the plan {plan.uri} is for {planned[name]}"
            raise SettingsError(f"train.{name}", problem, f"the same; without plan.{name} the plan takes train's")


def _differences(
    mine: Mapping[str, Any], planned: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Fields that both set, to different values: dotted name, what is set, what was planned."""
    for name, wanted in planned.items():
        value = mine.get(name, wanted)
        if isinstance(wanted, Mapping) and isinstance(value, Mapping):
            yield from _differences(value, wanted, f"{prefix}{name}.")
        elif value != wanted:
            yield f"{prefix}{name}", value, wanted
