"""What a scrape of a training says after some windows."""

from __future__ import annotations

import dataclasses
import socket

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from platen.components.train.measure.clock import Window
from platen.components.train.measure.prometheus import Metrics
from tests.components.train.measure.test_training_status import STATUS

WINDOW = Window(steps=2, wall=4.0, data=1.0, communication=0.5, checkpoint=0.0)


def scrape(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {
        (each.name.removeprefix("platen_train_"), tuple(each.labels.values())): each.value
        for family in families
        for each in family.samples
    }


def test_seconds_add_up_over_windows_and_steps_are_those_of_the_model() -> None:
    metrics = Metrics()
    metrics.begin(attempt=2, planned=100)
    for step in (10, 12):
        metrics.stepped(8)
        metrics.tell(WINDOW, dataclasses.replace(STATUS, step=step))
    found = scrape(metrics)
    assert (found["spent_seconds_total", ("data",)], found["spent_seconds_total", ("compute",)]) == (2.0, 5.0)
    assert (found["steps_total", ()], found["samples_total", ()], found["step", ()]) == (2, 16, 12)
    assert (found["attempt", ()], found["planned_steps", ()]) == (2, 100)
    assert found["memory_bytes", ("ema",)] == 4


def test_a_straggler_that_has_caught_up_is_named_no_more() -> None:
    metrics = Metrics()
    metrics.tell(WINDOW, STATUS)
    assert [labels for name, labels in scrape(metrics) if name == "straggler"] == [("node-a/pod", "data", "1")]
    metrics.tell(WINDOW, dataclasses.replace(STATUS, straggler=None))
    assert not [name for name, _ in scrape(metrics) if name == "straggler"]


def test_a_port_that_is_taken_is_no_reason_not_to_train(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        Metrics().serve(port)
    assert f"train: no metrics at port {port}: Address already in use" in caplog.text
