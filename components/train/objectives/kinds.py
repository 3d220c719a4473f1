"""Which objective a base model is trained with: what its scheduler says, or what the settings force.

The stage asks before a GPU is taken: nothing heavy here.
"""

from __future__ import annotations

import json
from typing import Any

from platen.components.train.objectives.settings import ObjectiveSettings
from platen.errors import InputError, SettingsError
from platen.stage import Folder

SCHEDULER = "scheduler/scheduler_config.json"
PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "flow_prediction": "flow"}  # diffusers' names and ours


def check_objective(settings: ObjectiveSettings, base: Folder) -> None:
    """Raise like `chosen_kind`, InputError too where a base model has no scheduler."""
    config = base.read(SCHEDULER)
    if config is None:
        raise InputError(f"{base.uri}/{SCHEDULER}: missing; the base model must be a diffusers folder")
    chosen_kind(settings, json.loads(config))


def chosen_kind(settings: ObjectiveSettings, config: dict[str, Any]) -> str:
    """What is trained from a base with this scheduler: epsilon, v or flow.

    Raises:
        InputError: The scheduler says none of these, or something that training cannot do.
        SettingsError: The settings do not go with it.
    """
    kind = kind_of(config) if settings.kind == "auto" else settings.kind
    if kind is None:
        raise InputError(
            f"scheduler: prediction_type {config['prediction_type']!r}. Accepted: epsilon, v_prediction, "
            "flow_prediction; train.objective.kind says what else to train"
        )
    contradiction = settings.contradiction(kind)
    if contradiction:
        raise SettingsError("train.objective", contradiction, "see above")
    if kind == "flow":
        _check_flow(settings, config)
    else:
        _check_diffusion(kind, config)
    return kind


def kind_of(config: dict[str, Any]) -> str | None:
    """What a scheduler's configuration says; None where it is none of the kinds."""
    if str(config.get("_class_name")).startswith("FlowMatch"):
        return "flow"
    return PREDICTIONS.get(config.get("prediction_type", "epsilon"))


def _check_flow(settings: ObjectiveSettings, config: dict[str, Any]) -> None:
    if config.get("invert_sigmas"):
        raise InputError("scheduler: invert_sigmas is true. Accepted: false")
    if config.get("use_dynamic_shifting") and settings.shift is None:
        problem = "not set, and the base's scheduler has none of its own (use_dynamic_shifting)"
        raise SettingsError("train.objective.shift", problem, "a number above 0, such as 3 for 1024 x 1024 pixels")


def _check_diffusion(kind: str, config: dict[str, Any]) -> None:
    if kind_of(config) == "flow":
        raise SettingsError("train.objective.kind", f"{kind!r}, but the base's scheduler is one of flow", "auto, flow")
    if kind == "epsilon" and config.get("rescale_betas_zero_snr"):
        problem = "'epsilon', but the base's schedule ends in noise alone (rescale_betas_zero_snr), which tells nothing"
        raise SettingsError("train.objective.kind", problem, "v, flow")
