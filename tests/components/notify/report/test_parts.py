from __future__ import annotations

from platen.artifacts.training_run import Measured
from platen.components.notify.report.parts import arrange, flatten, measured, short, took
from tests.small_report import metric

PICTURE = [{"seed": 0, "picture": None, "missed": False}]


def test_prompts_that_name_two_things_become_a_table() -> None:
    prompts = {f"a {c} circle on a {g} background": PICTURE for c in ("red", "blue") for g in ("white", "black")}
    group = arrange("grid", prompts)
    assert group["columns"] == ["on a white background", "on a black background"]
    assert [row["head"] for row in group["halves"][0]] == ["a red circle", "a blue circle"]
    assert all(len(row["cells"]) == 2 for row in group["halves"][0])


def test_other_prompts_become_a_row_each() -> None:
    prompts = {"a red circle on a white background": PICTURE, "a cat": PICTURE}
    group = arrange("own", prompts)
    assert group["columns"] == ["pictures"]
    assert [row["head"] for row in group["halves"][0]] == list(prompts)


def test_incomplete_table_becomes_rows() -> None:
    names = ["a circle on a white wall", "a circle on a black wall", "a square on a white wall"]
    group = arrange("gaps", dict.fromkeys(names, PICTURE))
    assert [row["head"] for row in group["halves"][0]] == names


def test_many_prompts_are_halved_and_cut() -> None:
    group = arrange("many", {f"prompt {number}": PICTURE for number in range(70)})
    assert [len(half) for half in group["halves"]] == [30, 30]
    assert group["left_out"] == 10


def test_metric_without_a_value_has_no_drawing() -> None:
    row = measured("FID", metric(None, note="insufficient data: 3"), 6.0)
    assert row["chart"] is None and row["value"] is None
    assert "held against 6" in (measured("FID", metric(3.0, 2.0, 4.0), 6.0)["chart"] or "")


def test_report_is_flattened_to_names_and_numbers() -> None:
    report = {"traffic": {"by_status": {"200": 3}, "pictures": 6}, "reasons": ["x"], "verdict": "keep", "live": True}
    assert list(flatten(report)) == [("traffic by status 200", "3"), ("traffic pictures", "6"), ("live", "true")]


def test_long_text_is_cut() -> None:
    assert short("x" * 160) == "x" * 160
    assert short("x" * 161) == "x" * 159 + "…"


def test_what_was_measured_of_training_has_its_unit() -> None:
    rows = dict(
        took(
            Measured.model_validate(
                {"attempts": 2, "goodput": 0.75, "memory_bytes": {"ema": 3 << 20}, "cost_usd": 12.5}
            )
        )
    )
    assert rows["Goodput: time that went into the model"] == "75 %"
    assert rows["Memory of a rank: ema"] == "3 MiB"
    assert rows["Cost"] == "12.5 USD"


def test_what_was_not_measured_of_training_is_no_row() -> None:
    assert took(Measured()) == []
    assert took(Measured(attempts=1)) == [("Attempts", "1")]


def test_a_rank_that_was_waited_for_is_named() -> None:
    slow = {"rank": 3, "node": "node-7", "part": "data", "windows": 4}
    assert took(Measured.model_validate({"stragglers": [slow]})) == [("Slow: rank 3 on node-7", "data")]
