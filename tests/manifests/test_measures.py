"""What alerts, autoscalers and dashboard ask for is what the server has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from platen.components.serve.metrics import Metrics
from tests.manifests.kustomize import MANIFESTS, one, overlay
from tests.manifests.test_alerts import alerts

PROMETHEUS = {"up"}  # its own
OPERATORS = {"and", "or", "unless", "offset", "bool"}


@pytest.fixture(scope="module")
def measures() -> set[str]:
    """Names in what the server answers to a scrape."""
    metrics = Metrics("platen", "0" * 64)
    metrics.answered(200, 1.0)
    families = text_string_to_metric_families(metrics.text().decode())
    return {sample.name for family in families for sample in family.samples}


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
def test_expressions_name_measures_that_the_server_has(expression: str, measures: set[str]) -> None:
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
