from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.notify.report import charts

finite = st.floats(-1e9, 1e9)


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e9), st.integers(2, 12))
def test_ticks_are_few_even_and_within(low: float, span: float, about: int) -> None:
    marks = charts.ticks(low, low + span, about)
    assert len(marks) <= about + 1
    slack = 1e-6 * max(abs(low), span, 1)
    assert all(low - slack <= mark <= low + span + slack for mark in marks)
    steps = [after - before for before, after in pairwise(marks)]
    assert all(step > 0 for step in steps)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (2_062_407, "2,062,407"),
        (0.2113, "0.211"),
        (0.9, "0.9"),
        (71.35, "71.3"),
        (1234.5, "1,234"),
        (0.0009, "0.0009"),
        (1.23e-7, "1.23e-07"),
        (-0.5, "-0.5"),
    ],
)
def test_number_has_three_digits(value: float | None, text: str) -> None:
    assert charts.number(value) == text


@given(st.lists(finite, min_size=1, max_size=200))
def test_running_mean_stays_within_what_it_averages(values: list[float]) -> None:
    mean = charts.smooth(values)
    slack = 1e-6 * max(map(abs, values)) + 1e-9
    assert len(mean) == len(values)
    assert min(values) - slack <= min(mean) and max(mean) <= max(values) + slack


@given(st.lists(finite, min_size=0, max_size=400))
def test_thinned_line_keeps_its_ends_of_range_and_its_order(values: list[float]) -> None:
    points = [(float(step), value) for step, value in enumerate(values)]
    kept = charts.thin(points, 20)
    assert len(kept) <= max(20, 2 * math.ceil(len(values) / 10)) and set(kept) <= set(points)
    assert [step for step, _ in kept] == sorted(step for step, _ in kept)
    if values:
        assert (min(value for _, value in kept), max(value for _, value in kept)) == (min(values), max(values))


@given(finite, finite, finite)
def test_scale_stays_within_its_pixels(low: float, high: float, value: float) -> None:
    pixel = charts.Scale(low, high, 10, 90)(value)
    assert 10 <= pixel <= 90


@pytest.mark.parametrize("losses", [[1.0], [0.5, 0.5], [3.0, 1.0, 2.0], [0.0, 0.0]])
def test_loss_curve_of_any_length_is_drawn(losses: list[float]) -> None:
    root = ET.fromstring(charts.loss_curve(losses))
    lines = [part for part in root.iter() if part.tag.endswith("polyline")]
    assert [line.get("class") for line in lines] == ["raw", "line"]
    assert len(lines[0].get("points", "").split()) == len(losses)
    assert f"{len(losses)} steps" in root.get("aria-label", "")


def test_whisker_marks_the_limit_beside_the_interval() -> None:
    root = ET.fromstring(charts.whisker(0.93, 0.86, 0.97, "told", mark=0.8))
    dot = next(float(part.get("cx", "nan")) for part in root.iter() if part.get("class") == "dot")
    limit = next(part.get("d", "") for part in root.iter() if part.get("class") == "limit")
    assert float(limit[1:].split()[0]) < dot
    without = ET.fromstring(charts.whisker(0.93, 0.86, 0.97, "told"))
    assert not [part for part in without.iter() if part.get("class") == "limit"]


def test_words_in_a_chart_are_escaped() -> None:
    drawn = charts.whisker(1, 0, 2, '"><script>alert(1)</script>')
    assert ET.fromstring(drawn).get("aria-label") == '"><script>alert(1)</script>'
    assert "<script" not in drawn


def test_bar_of_no_time_can_be_seen() -> None:
    root = ET.fromstring(charts.bar(5.0, 0.0, 10.0, "cached", "told", width=300))
    box = next(part for part in root.iter() if part.get("class") == "cached")
    assert float(box.get("x", "nan")) == 150 and float(box.get("width", "nan")) == 2
