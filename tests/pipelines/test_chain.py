"""The stages that notify expects are those that a graph has."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.core.outcome import LIVE
from platen.pipelines.content import CHAIN
from platen.pipelines.package import read_package

GRAPHS = {"content": CHAIN, "retrain": (LIVE, *CHAIN), "demo": ("sample", *CHAIN)}


@pytest.mark.parametrize(("pipeline", "graph"), GRAPHS.items())
def test_expected_stages_are_those_of_the_graph(compiled: Path, pipeline: str, graph: tuple[str, ...]) -> None:
    tasks = {name.replace("-", "_") for name in read_package(compiled, pipeline).tasks}
    assert tasks == {*graph, "notify"}
