from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platen import releases
from platen.components.monitor.settings import MonitorSettings
from platen.components.monitor.stage import STAGE, read_log
from platen.dataset import Row, write_index
from platen.errors import CorruptError
from platen.settings import Settings
from platen.stage import Inputs, Outcome, Place, Result, Stage, run_stage
from platen.storage import write_file
from tests.tiny_model import CAPTIONS

MODEL = "a" * 64


def commit(workspace: str, name: str, kind: Any, file: str = "", content: bytes = b"") -> str:
    def work(settings: Settings, inputs: Inputs, place: Place) -> Outcome:
        if file:
            write_file(place.out / file, content)
        else:
            rows = [Row(f"{i:016x}", text, split="train") for i, text in enumerate(CAPTIONS)]
            write_index(place.out, "00000", [*rows, Row("f" * 16, "a cat", split="test")])
        return Outcome()

    return run_stage(Stage(name, 1, kind, Settings, (), work), Settings(), {}, workspace).folder.uri


class Watch:
    """A workspace with a release, its training captions, and a log."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = str(workspace)
        release = commit(self.workspace, "deploy", "release", "release.json", json.dumps({"model": MODEL}).encode())
        self.inputs = {"release": release, "dataset": commit(self.workspace, "merge", "dataset")}
        self.log = Path(releases.request_log(self.workspace, MODEL)) / "host.1-000000.jsonl"

    def add(self, count: int = 1, status: int = 200, seconds: float = 0.2, prompts: list[str] = CAPTIONS) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as file:
            for i in range(count):
                entry = {"status": status, "seconds": seconds, "prompt": prompts[i * 7 % len(prompts)], "n": 1}
                file.write(json.dumps(entry) + "\n")

    def run(self, **settings: Any) -> Result:
        return run_stage(STAGE, MonitorSettings(**settings), self.inputs, self.workspace)


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


def said(result: Result) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((result.folder.path / "report.json").read_bytes())
    assert result.folder.manifest.facts["verdict"] == report["verdict"]
    return report


def rules(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {rule["name"]: rule for rule in report["rules"]}


def test_traffic_like_the_captions_keeps_the_model(watch: Watch) -> None:
    watch.add(72)
    report = said(watch.run())
    assert (report["verdict"], report["reasons"]) == ("keep", ["every measure is within its limit"])
    assert report["traffic"] == {"requests": 72, "pictures": 72, "by_status": {"200": 72}, "unreadable_lines": 0}
    assert report["latency_seconds"]["p95"] == 0.2
    assert rules(report)["drift"]["n"] == 72


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"count": 20, "status": 500}, "error_share"),
        ({"count": 20, "seconds": 90.0}, "latency_p95"),
        ({"count": 300, "prompts": ["a photo of a cat on a sofa", "two dogs"]}, "drift"),
        ({"count": 60, "prompts": ["a red dodecahedron wearing sunglasses"]}, "unknown_share"),
    ],
)
def test_each_rule_asks_for_retraining_by_name(watch: Watch, more: dict[str, Any], rule: str) -> None:
    watch.add(72)
    watch.add(**more)
    report = said(watch.run())
    assert report["verdict"] == "retrain"
    assert rules(report)[rule]["exceeded"]
    assert any(reason.startswith(f"{rule}: ") and "above the limit" in reason for reason in report["reasons"])


def test_too_few_requests_give_no_number_and_ask_nothing(watch: Watch) -> None:
    watch.add(29, prompts=["a photo of a cat"])
    report = said(watch.run())
    assert report["verdict"] == "keep"
    assert {rule["value"] for rule in report["rules"]} == {"insufficient data"}
    assert "drift: insufficient data (29)" in report["reasons"]
    assert said(watch.run(min_requests=29))["verdict"] == "retrain"


def test_drift_is_asked_for_by_the_lower_end_alone(watch: Watch) -> None:
    watch.add(40, prompts=CAPTIONS[:20])
    drift = rules(said(watch.run()))["drift"]
    between = (drift["interval"][0] + drift["value"]) / 2
    assert drift["bound"] == drift["interval"][0] < between < drift["value"]
    assert said(watch.run(max_drift=between))["verdict"] == "keep"


def test_the_same_log_is_found_and_a_longer_one_is_read(watch: Watch) -> None:
    watch.add(40)
    first = watch.run()
    assert watch.run().cached
    watch.add(1)
    again = watch.run()
    assert not again.cached
    assert said(again)["traffic"]["requests"] == said(first)["traffic"]["requests"] + 1


def test_without_any_log_there_is_nothing_to_say(watch: Watch) -> None:
    report = said(watch.run())
    assert report["verdict"] == "keep"
    assert report["traffic"]["requests"] == 0
    assert report["latency_seconds"] == "insufficient data"


def test_a_log_that_was_rewritten_is_refused(watch: Watch) -> None:
    watch.add(3)
    with pytest.raises(CorruptError, match="only ever appended to"):
        read_log(watch.log.parent, {"log_bytes": {"host.1": watch.log.stat().st_size}, "log_sha256": "0" * 64})


def test_a_release_that_names_no_model_is_named(watch: Watch) -> None:
    watch.inputs["release"] = commit(watch.workspace, "other", "release", "release.json", b"{}")
    with pytest.raises(CorruptError, match=r"release\.json: names no model \(KeyError: 'model'\)"):
        watch.run()
