"""What holds for every metric."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.evaluate.context import NEEDS
from platen.components.evaluate.metrics.base import MetricSpec, NoSettings
from platen.components.evaluate.metrics.registry import METRICS, MODULES
from platen.components.evaluate.settings import EvaluateSettings

FOLDER = Path(__file__).parents[4] / "components/evaluate/metrics"


def test_every_module_is_in_the_registry_and_named_like_its_metric() -> None:
    others = {"__init__", "base", "registry"}
    assert sorted(MODULES) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in others)
    assert [metric.name for metric in METRICS] == list(MODULES)


@pytest.mark.parametrize("metric", METRICS, ids=MODULES)
def test_a_metric_says_what_its_number_is_and_what_it_needs(metric: MetricSpec) -> None:
    assert metric.quantity.title and metric.quantity.unit
    assert metric.needs and metric.needs <= NEEDS.keys()


@pytest.mark.parametrize("metric", METRICS, ids=MODULES)
def test_a_metric_has_its_section_and_every_field_of_it_is_described(metric: MetricSpec) -> None:
    own = EvaluateSettings().of_metric(metric.name)
    assert isinstance(own, metric.settings)
    assert (metric.settings is NoSettings) == (not metric.settings.model_fields)
    assert all(field.description for field in metric.settings.model_fields.values())
