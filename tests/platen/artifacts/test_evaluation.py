from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.artifacts.evaluation import ClosestPair, Curve, EvaluationReport, JudgedImage, Metric, Point
from platen.core.errors import CorruptError
from tests.committed import commit
from tests.small_report import NOTHING, bias, metric, report

NUMBERS = st.floats(-1e9, 1e9)
METRICS = st.builds(
    Metric,
    value=st.none() | NUMBERS, low=st.none() | NUMBERS, high=st.none() | NUMBERS, n=st.integers(0, 10**6),
    title=st.text(), unit=st.text(), direction=st.sampled_from(["higher", "lower", "none"]), note=st.text(),
)  # fmt: skip
POINTS = st.builds(Point, place=NUMBERS, value=NUMBERS)
CURVES = st.builds(Curve, points=st.lists(POINTS, max_size=3))
REPORTS = st.builds(
    report,
    fid=METRICS, kid=METRICS, extractor=st.text(), counts=st.dictionaries(st.text(), st.integers()),
    curves=st.dictionaries(st.text(), CURVES, max_size=2),
    metrics=st.dictionaries(st.text(), METRICS, max_size=2),
    closest=st.lists(st.builds(ClosestPair, distance=NUMBERS), max_size=2),
    bias=st.dictionaries(st.text(), st.builds(bias, distance=METRICS, red=METRICS), max_size=2),
    pictures=st.lists(st.builds(JudgedImage, clip_score=NUMBERS), max_size=2),
    measured_with=st.dictionaries(st.text(), st.dictionaries(st.text(), st.none() | st.text() | st.integers())),
)  # fmt: skip


@given(REPORTS)
def test_a_report_is_read_as_it_was_written(written: EvaluationReport) -> None:
    read = EvaluationReport.parse(written.encode(), "report.json")
    assert read.encode() == written.encode()
    assert EvaluationReport.parse(read.encode(), "report.json") == read
    assert read.metrics.keys() == written.metrics.keys()


def test_metrics_are_written_with_six_significant_digits() -> None:
    fid = json.loads(report(fid=metric(1 / 3, 1e-9 / 3, 12345678.9)).encode())["metrics"]["fid"]
    assert (fid["value"], fid["low"], fid["high"]) == (0.333333, 3.33333e-10, 12345700.0)


def test_every_metric_has_a_dotted_path() -> None:
    found = report(fid=metric(3.2), bias={"color": bias(red=metric(0.4))}).metrics
    assert {name: value for name, value in found.items() if value != NOTHING} == {
        "fid": metric(3.2),
        "bias.color.values.red.share": metric(0.4),
    }
    others = {"memorised.share", "memorised.baseline", "bias.color.distance", "bias.color.judge_accuracy"}
    assert others < found.keys()


def changed(**changes: Any) -> str:
    values = json.loads(report().encode()) | changes
    return json.dumps({name: value for name, value in values.items() if value is not ...})


def test_reports_before_and_after_this_version_are_read(tmp_path: Path) -> None:
    before = commit(tmp_path, {"report.json": changed(measured_with=...)})
    after = commit(tmp_path, {"report.json": changed(later={"value": 1})})
    assert EvaluationReport.read(before) == EvaluationReport.read(after) == report()


def of_version_1(value: Any) -> dict[str, Any]:
    """A report as it was written before metrics had titles."""
    number = {"value": value, "low": None, "high": None, "n": 9, "unit": "u", "direction": "lower", "note": ""}
    values = [{"value": "red", "count": 9, "reference": 0.5, "share": number}]
    attribute = {"prompts": ["a circle"], "distance": number, "abstained": number, "values": values}
    whole = {name: json.loads(report().encode())[name] for name in ("model", "dataset", "generated", "extractor")}
    return {
        **{**whole, "schema_version": 1, "confidence": 0.95, "counts": {"generated": 9}, "pictures": []},
        **{"fid": number, "held_out_loss_by_timestep": [{"timestep": 5, "value": 0.5}]},
        "memorised": {"share": number, "baseline": number, "threshold": 0.1, "closest": []},
        **{"bias": {"color": attribute}, "measured_with": {"fid": {"extractor": "e"}}},
    }


def test_the_numbers_of_a_report_of_version_1_are_read() -> None:
    found = EvaluationReport.parse(json.dumps(of_version_1(2.5)).encode(), "report.json")
    assert sorted(found.metrics) == [
        *("bias.color.abstained", "bias.color.distance", "bias.color.values.red.share"),
        *("fid", "memorised.baseline", "memorised.share"),
    ]
    assert {each.value for each in found.metrics.values()} == {2.5}
    assert found.measured_with == {"fid": {"extractor": "e"}}
    with pytest.raises(CorruptError, match=r"report\.json: metrics\.fid\.value: Input should be"):
        EvaluationReport.parse(json.dumps(of_version_1("high")).encode(), "report.json")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "report.json: Invalid JSON"),
        ("[1]", "report.json: Input should be an object"),
        (changed(metrics=...), "report.json: metrics: Field required"),
        (changed(schema_version=3), "report.json: schema_version: Input should be 2"),
        (
            changed(metrics={"kid": {**json.loads(metric(1.0).model_dump_json()), "value": "high"}}),
            "report.json: metrics.kid.value: Input should",
        ),
        (changed(confidence=float("nan")), "report.json: confidence: Input should be a finite number"),
        (
            changed(breakdowns={"bias.color": {"title": "color", "prompts": [1]}}),
            "report.json: breakdowns.bias.color.prompts.0: Input should be a valid string",
        ),
    ],
)
def test_what_is_no_report_is_refused_by_file_and_field(tmp_path: Path, text: str, says: str) -> None:
    folder = commit(tmp_path, {"report.json": text})
    with pytest.raises(CorruptError) as raised:
        EvaluationReport.read(folder)
    assert str(raised.value).startswith(f"{folder.uri}/{says}")


def test_a_folder_without_a_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptError, match=r"any/[0-9a-f]+/report\.json: no such file"):
        EvaluationReport.read(commit(tmp_path, {"other.txt": ""}))
