"""Choose what a model is trained to predict: what its base's scheduler says, or what the settings force.

The train stage calls this before a GPU is taken: nothing heavy here.
"""

from __future__ import annotations

import json
from typing import Any

from platen.core.errors import InputError, SettingsError
from platen.core.stage import Folder
from platen.tasks.diffusion.settings import ObjectiveSettings

SCHEDULER = "scheduler/scheduler_config.json"
# diffusers' names and ours; a model that predicts the sample can be measured, but is not trained
PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "flow_prediction": "flow", "sample": "sample"}
TRAINED = ("epsilon", "v", "flow")


def check_objective(settings: ObjectiveSettings, base: Folder) -> None:
    """Raise like `chosen_kind`, and InputError if a base model has no scheduler."""
    config = base.read(SCHEDULER)
    if config is None:
        raise InputError(f"{base.uri}/{SCHEDULER}: missing; the base model must be a diffusers folder")
    chosen_kind(settings, json.loads(config))


def chosen_kind(settings: ObjectiveSettings, config: dict[str, Any]) -> str:
    """Return what is trained from a base with this scheduler: epsilon, v or flow.

    Raises:
        InputError: The scheduler says none of these, or something that training cannot do.
        SettingsError: The settings contradict it.
    """
    kind = kind_of(config) if settings.kind == "auto" else settings.kind
    if kind not in TRAINED:
        raise InputError(
            f"scheduler: prediction_type {config['prediction_type']!r}. Accepted: epsilon, v_prediction, "
            "flow_prediction; train.objective.kind says what else to train"
        )
    contradiction = settings.contradiction(kind)
    if contradiction:
        raise SettingsError("train.objective", contradiction, "see above")
    if kind == "flow" and config.get("invert_sigmas"):
        raise InputError("scheduler: invert_sigmas is true. Accepted: false")
    if kind != "flow":
        _check_discrete(kind, config)
    return kind


def kind_of(config: dict[str, Any]) -> str | None:
    """Return what a scheduler's configuration says is predicted: epsilon, v, flow or sample; None for anything else."""
    if is_flow_match(config):
        return "flow"
    return PREDICTIONS.get(config.get("prediction_type", "epsilon"))


def is_flow_match(config: dict[str, Any]) -> bool:
    """Return whether a scheduler is one of diffusers' FlowMatch classes, which sample from nothing but a flow."""
    return str(config.get("_class_name")).startswith("FlowMatch")


def _check_discrete(kind: str, config: dict[str, Any]) -> None:
    if kind_of(config) == "flow":
        raise SettingsError("train.objective.kind", f"{kind!r}, but the base's scheduler is one of flow", "auto, flow")
    if kind == "epsilon" and config.get("rescale_betas_zero_snr"):
        problem = "'epsilon', but the base's schedule ends in noise alone (rescale_betas_zero_snr), which tells nothing"
        raise SettingsError("train.objective.kind", problem, "v, flow")
