from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from platen.components.notify.evidence import Evidence, gather
from platen.components.notify.report import graph
from tests.components.notify.a_run import CHAIN, run_chain


def test_lineage_of_a_run_has_every_folder_and_every_link(evidence: Evidence) -> None:
    found, notes = graph.collect(reversed(list(evidence.folders.values())))
    assert notes == []
    assert {folder.manifest.made_by.stage for folder in found.folders.values()} == set(CHAIN)
    assert sum(map(len, found.sources.values())) == sum(map(len, CHAIN.values()))


def test_drawing_has_a_box_a_folder_and_a_line_a_link(evidence: Evidence) -> None:
    found, _ = graph.collect(evidence.folders.values())
    root = ET.fromstring(graph.draw(found))
    boxes = [part for part in root.iter() if part.get("class") == "box"]
    lines = [part for part in root.iter() if part.get("class") == "edge"]
    assert len(boxes) == len(CHAIN)
    assert len(lines) == len({(s, n) for n, named in found.sources.items() for s in named.values()})
    words = [part.text for part in root.iter() if part.tag.endswith("text")]
    assert "clean_text" in words and evidence.folders["train"].digest[:12] in words


def test_boxes_do_not_overlap_and_stay_in_the_picture(evidence: Evidence) -> None:
    found, _ = graph.collect(evidence.folders.values())
    root = ET.fromstring(graph.draw(found))
    at = [
        (float(part.get("x", "nan")), float(part.get("y", "nan"))) for part in root.iter() if part.get("class") == "box"
    ]
    width, height = float(root.get("width", "nan")), float(root.get("height", "nan"))
    assert all(0 <= x <= width - graph.BOX[0] and 0 <= y <= height - graph.BOX[1] for x, y in at)
    pairs = [(one, other) for one in at for other in at if one < other]
    assert all(abs(a[0] - b[0]) >= graph.BOX[0] or abs(a[1] - b[1]) >= graph.BOX[1] for a, b in pairs)


@given(st.integers(1, 12).flatmap(lambda n: st.lists(st.sets(st.integers(0, n - 1)), min_size=n, max_size=n)))
def test_a_node_lies_below_all_its_sources(wanted: list[set[int]]) -> None:
    sources = {str(node): {str(s): str(s) for s in given_ if s < node} for node, given_ in enumerate(wanted)}
    depth = graph.layers_of(sources)
    assert all(depth[node] > depth[source] for node, named in sources.items() for source in named.values())
    assert all(depth[node] == 0 for node, named in sources.items() if not named)


def test_source_that_is_gone_is_a_note(tmp_path: Path) -> None:
    _, workspace, run = run_chain(tmp_path, "clean_text")
    evidence = gather(run, workspace)
    next(Path(workspace, "ingest").glob("*/manifest.json")).unlink()
    found, notes = graph.collect([evidence.folders["clean_text"]])
    assert [folder.manifest.made_by.stage for folder in found.folders.values()] == ["clean_text"]
    assert re.search("nothing committed here", notes[0])
