from __future__ import annotations

from typing import Any

import pytest

from platen.components.train.settings import TrainSettings
from platen.core.errors import PlatenError, SettingsError
from platen.core.settings import build, everything
from platen.tasks.diffusion.prediction_type import chosen_kind
from platen.tasks.diffusion.settings import ObjectiveSettings

BETAS = {"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear"}
EULER = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({**BETAS}, "epsilon"),
        ({**BETAS, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}, "v"),
        ({**EULER}, "flow"),
        ({"_class_name": "DPMSolverMultistepScheduler", "prediction_type": "flow_prediction"}, "flow"),
    ],
)
def test_the_scheduler_says_what_is_trained(config: dict[str, Any], kind: str) -> None:
    assert chosen_kind(ObjectiveSettings(), config) == kind


def test_settings_force_another_kind() -> None:
    assert chosen_kind(ObjectiveSettings(kind="v"), {**BETAS, "prediction_type": "sample"}) == "v"
    assert chosen_kind(ObjectiveSettings(kind="flow"), BETAS) == "flow"


def test_a_shift_by_resolution_is_no_obstacle() -> None:
    """The schedulers of FLUX and Qwen-Image have it."""
    assert chosen_kind(ObjectiveSettings(), {**EULER, "use_dynamic_shifting": True}) == "flow"


@pytest.mark.parametrize("kind", ["auto", "flow"])
def test_min_snr_weights_that_nobody_set_leave_flow_alone(kind: str) -> None:
    """Also where a file or a job spells out every setting at its default."""
    settings = build(TrainSettings, {"objective": {"kind": kind}}, "run.yaml", "train")
    spelled = build(TrainSettings, everything(settings), "run.yaml", "train").objective
    assert chosen_kind(spelled, EULER) == "flow"
    assert spelled.gamma("flow") is None


def test_epsilon_and_v_are_weighted_unless_switched_off() -> None:
    assert [ObjectiveSettings().gamma(kind) for kind in ("epsilon", "v")] == [5.0, 5.0]
    assert ObjectiveSettings(min_snr_gamma=1).gamma("v") == 1.0
    assert ObjectiveSettings(min_snr_gamma=None).gamma("v") is None


@pytest.mark.parametrize("value", [0, -1, "some"])
def test_a_gamma_that_is_none_is_named_by_its_field(value: object) -> None:
    with pytest.raises(SettingsError, match=rf"run\.yaml: train\.objective\.min_snr_gamma: '?{value}'? "):
        build(TrainSettings, {"objective": {"min_snr_gamma": value}}, "run.yaml", "train")


@pytest.mark.parametrize(
    ("given", "config", "told"),
    [
        ({}, {**BETAS, "prediction_type": "sample"}, r"'sample'. Accepted: epsilon, v_prediction"),
        (
            {"min_snr_gamma": 5},
            EULER,
            r"train\.objective: min_snr_gamma 5\.0 weighs epsilon and v, not flow; set min_snr_gamma to null",
        ),
        ({"shift": 3}, BETAS, r"train\.objective: shift 3\.0 belongs to flow, not to epsilon"),
        ({"kind": "epsilon"}, EULER, r"train\.objective\.kind: 'epsilon', but the base's scheduler is one of flow"),
        ({"kind": "epsilon"}, {**BETAS, "rescale_betas_zero_snr": True}, r"ends in noise alone.* Accepted: v, flow"),
        ({"min_snr_gamma": None}, {**EULER, "invert_sigmas": True}, r"invert_sigmas is true"),
    ],
)
def test_what_does_not_go_with_the_base_is_refused(given: dict[str, Any], config: dict[str, Any], told: str) -> None:
    with pytest.raises(PlatenError, match=told):
        chosen_kind(ObjectiveSettings.model_validate(given), config)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind": "flow", "min_snr_gamma": 5}, r"train\.objective: min_snr_gamma 5\.0 weighs epsilon and v, not flow"),
        ({"kind": "v", "shift": 3}, r"train\.objective: shift 3\.0 belongs to flow, not to v"),
    ],
)
def test_a_forced_kind_is_held_to_its_settings_at_once(given: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        build(TrainSettings, {"objective": given}, "run.yaml", "train")
