from __future__ import annotations

import pytest
import yaml

from platen.components.plan.settings import SAID_BY_TRAIN, PlanSettings, of_run
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.settings import section


def read(text: str, *, use: bool | None = None) -> PlanSettings:
    return section(PlanSettings, of_run(text, use=use), "plan")


def test_what_is_trained_is_said_once() -> None:
    planned = read("{train: {steps: 7, precision: fp16}, plan: {gpus: 8}}")
    assert (planned.steps, planned.precision, planned.gpus) == (7, "fp16", 8)
    assert read("{train: {steps: 7}, plan: {steps: 9}}").steps == 9
    assert read("").steps == PlanSettings().steps


def test_what_train_leaves_open_is_the_same_in_both() -> None:
    defaults = [[model.model_fields[name].default for name in SAID_BY_TRAIN] for model in (TrainSettings, PlanSettings)]
    assert defaults[0] == defaults[1]


def test_the_command_plans_also_where_pipelines_do_not() -> None:
    assert not read("plan: {gpus: 8}").use
    assert read("plan: {gpus: 8, use: false}", use=True).use


def test_the_rest_of_the_settings_stays() -> None:
    values = {"workspace": "ws", "train": {"steps": 7}, "plan": None}
    assert yaml.safe_load(of_run(yaml.safe_dump(values))) == {**values, "plan": {"steps": 7}}


def test_a_section_that_is_none_is_refused_by_its_reader() -> None:
    with pytest.raises(SettingsError, match="plan"):
        read("{train: {steps: 7}, plan: 3}")
