"""What alerts, autoscalers and dashboard ask for is what the server and training have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from platen.components.serve.metrics import Metrics
from platen.components.train.measure.clock import Window
from platen.components.train.measure.ledger import Cost, Spent
from platen.components.train.measure.prometheus import Metrics as TrainingMetrics
from platen.components.train.measure.training_status import Straggler, TrainingStatus
from tests.manifests.kustomize import MANIFESTS, one, overlay
from tests.manifests.test_alerts import alerts

PROMETHEUS = {"up"}  # its own
OPERATORS = {"and", "or", "unless", "offset", "bool"}


@pytest.fixture(scope="module")
def measures() -> set[str]:
    """Names in what the server and a training answer to a scrape."""
    return server_measures() | training_measures()


def server_measures() -> set[str]:
    metrics = Metrics("platen", "0" * 64)
    metrics.answered(200, 1.0)
    return names(metrics.registry)


def training_measures() -> set[str]:
    seconds = Spent(wall=2, useful=1, lost=0, checkpoint=0, starting=1, between=0, other=0)
    told = TrainingStatus(
        step=1,
        loss=1.0,
        samples_per_second=1.0,
        shares={},
        mfu=0.5,
        memory={"ema": 4},
        spent=seconds,
        seconds_left=1.0,
        cost=Cost(so_far=1.0, to_the_end=1.0),
        straggler=Straggler(1, "node", "data", 0.5),
    )
    metrics = TrainingMetrics()
    metrics.tell(Window(1, 1.0), told)
    metrics.slow_link.labels(one="a", other="b").set(1.0)
    return names(metrics.registry)


def names(registry: CollectorRegistry) -> set[str]:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {sample.name for family in families for sample in family.samples}


def test_a_trainings_measures_have_its_name_and_base_units() -> None:
    found = {name for name in training_measures() if not name.startswith("process_") and not name.endswith("_created")}
    assert all(name.startswith("platen_train_") for name in found)
    units = r"_(ratio|seconds|bytes|usd|total|steps|step|attempt|loss|straggler|per_second)$"
    assert all(re.search(units, name) for name in found)


def named(expression: str) -> set[str]:
    """The names of metrics in a PromQL expression."""
    bare = re.sub(r'"[^"]*"', "", expression)  # first: a label's value may hold brackets
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"(?<![\w.])[A-Za-z_:][\w:]*\b(?!\s*\()", bare)
    return set(words) - OPERATORS


def expressions_of_the_dashboard() -> Iterator[str]:
    board = json.loads((MANIFESTS / "components/grafana/platen.json").read_text())
    yield from (target["expr"] for panel in board["panels"] for target in panel["targets"])
    yield from (annotation["expr"] for annotation in board["annotations"]["list"])
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield re.sub(r"label_values\((\w+), \w+\)", r"\1", variable["query"]["query"])


def expressions() -> list[str]:
    """All PromQL in the manifests."""
    scaled = yaml.safe_load((MANIFESTS / "components/keda/scaledobject.yaml").read_text())
    (trigger,) = scaled["spec"]["triggers"]
    return [*(a["expr"] for a in alerts()), *expressions_of_the_dashboard(), trigger["metadata"]["query"]]


@pytest.mark.parametrize("expression", expressions())
def test_expressions_name_measures_that_there_are(expression: str, measures: set[str]) -> None:
    assert named(expression)
    assert named(expression) <= measures | PROMETHEUS


def test_the_names_in_an_expression_are_found() -> None:
    expression = 'sum by (a, b) (rate(x_total{c="d[5m]", e=~"f|g"}[5m])) / y offset 1m > 0.02 and on (h) z:w == 1e3'
    assert named(expression) == {"x_total", "y", "z:w"}


def test_the_autoscaler_follows_a_measure_that_the_server_has(measures: set[str]) -> None:
    for name in ("kind", "gke-gpu"):
        spec = one(overlay(name), "HorizontalPodAutoscaler", "platen-serve")["spec"]
        assert {metric["pods"]["metric"]["name"] for metric in spec["metrics"]} <= measures


def test_the_dashboard_has_panels_that_do_not_overlap() -> None:
    board = json.loads((MANIFESTS / "components/grafana/platen.json").read_text())
    places = [panel["gridPos"] for panel in board["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(places)
