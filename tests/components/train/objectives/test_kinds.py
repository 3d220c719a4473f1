from __future__ import annotations

from typing import Any

import pytest

from platen.components.train.objectives.kinds import chosen_kind
from platen.components.train.objectives.settings import ObjectiveSettings
from platen.components.train.settings import TrainSettings
from platen.errors import PlatenError, SettingsError
from platen.settings import build

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
    assert chosen_kind(ObjectiveSettings(min_snr_gamma=None), config) == kind


def test_settings_force_another_kind() -> None:
    assert chosen_kind(ObjectiveSettings(kind="v"), {**BETAS, "prediction_type": "sample"}) == "v"
    assert chosen_kind(ObjectiveSettings(kind="flow", min_snr_gamma=None), BETAS) == "flow"


@pytest.mark.parametrize(
    ("given", "config", "told"),
    [
        ({}, {**BETAS, "prediction_type": "sample"}, r"'sample'. Accepted: epsilon, v_prediction"),
        ({}, EULER, r"train\.objective: min_snr_gamma 5\.0 weighs epsilon and v, not flow; set min_snr_gamma to null"),
        ({"shift": 3}, BETAS, r"train\.objective: shift 3\.0 belongs to flow, not to epsilon"),
        ({"kind": "epsilon"}, EULER, r"train\.objective\.kind: 'epsilon', but the base's scheduler is one of flow"),
        ({"kind": "epsilon"}, {**BETAS, "rescale_betas_zero_snr": True}, r"ends in noise alone.* Accepted: v, flow"),
        ({"min_snr_gamma": None}, {**EULER, "use_dynamic_shifting": True}, r"train\.objective\.shift: not set"),
        ({"min_snr_gamma": None}, {**EULER, "invert_sigmas": True}, r"invert_sigmas is true"),
    ],
)
def test_what_does_not_go_with_the_base_is_refused(given: dict[str, Any], config: dict[str, Any], told: str) -> None:
    with pytest.raises(PlatenError, match=told):
        chosen_kind(ObjectiveSettings.model_validate(given), config)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind": "flow"}, r"train\.objective: min_snr_gamma 5\.0 weighs epsilon and v, not flow"),
        ({"kind": "v", "shift": 3}, r"train\.objective: shift 3\.0 belongs to flow, not to v"),
    ],
)
def test_a_forced_kind_is_held_to_its_settings_at_once(given: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        build(TrainSettings, {"objective": given}, "run.yaml", "train")
