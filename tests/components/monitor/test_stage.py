from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platen.artifacts import releases
from platen.artifacts.dataset import Row, write_index
from platen.components.monitor.settings import MonitorSettings
from platen.components.monitor.stage import STAGE, read_log
from platen.core.errors import CorruptError
from platen.core.settings import Settings
from platen.core.stage import Inputs, Outcome, Place, Result, Stage, run_stage
from platen.core.storage import write_file
from tests.tiny_model import CAPTIONS

MODEL = "a" * 64
RELEASE = {"model": MODEL, "report": "b" * 64, "checks": []}
ENTRY = {"time": "2026-11-20T12:00:00.000+00:00", "seconds": 0.2, "n": 1}


def commit(workspace: str, name: str, kind: Any, file: str = "", content: bytes = b"") -> str:
    def work(settings: Settings, inputs: Inputs, place: Place) -> Outcome:
        if file:
            write_file(place.out / file, content)
        else:
            rows = [Row(f"{i:016x}", text, split="train") for i, text in enumerate(CAPTIONS)]
            write_index(place.out, "00000", [*rows, Row("f" * 16, "a cat", split="test")])
        return Outcome()

    return run_stage(Stage(name, 1, kind, Settings, {}, work), Settings(), {}, workspace).folder.uri


class Watch:
    """A workspace with a release, its training captions, and a log."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = str(workspace)
        release = commit(self.workspace, "deploy", "release", "release.json", json.dumps(RELEASE).encode())
        self.inputs = {"release": release, "dataset": commit(self.workspace, "merge", "dataset")}
        self.log = Path(releases.request_log(self.workspace, MODEL)) / "host.1-000000.jsonl"

    def add(self, count: int = 1, status: int = 200, prompts: list[str] = CAPTIONS, **more: Any) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as file:
            for i in range(count):
                entry = {**ENTRY, "status": status, "prompt": prompts[i * 7 % len(prompts)], **more}
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
    assert report["traffic"] == {
        **{"requests": 72, "pictures": 72, "by_status": {"200": 72}, "unreadable_lines": 0, "ignored": 0, "older": 0},
        **dict.fromkeys(("first", "last"), "2026-11-20T12:00:00+00:00"),
    }
    assert report["latency_seconds"]["p95"] == 0.2
    assert rules(report)["drift"]["n"] == 72


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"count": 20, "status": 500}, "error_share"),
        ({"count": 20, "seconds": 90.0}, "latency_p95"),
        ({"count": 300, "prompts": [f"cat {i} on sofa {i % 9}" for i in range(300)]}, "drift"),
        ({"count": 60, "prompts": [f"a red dodecahedron wearing hat {i}" for i in range(60)]}, "unknown_share"),
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
    watch.add(29, prompts=[f"a photo of cat {i}" for i in range(29)])
    report = said(watch.run())
    assert report["verdict"] == "keep"
    assert {rule["value"] for rule in report["rules"]} == {"insufficient data"}
    assert "drift: insufficient data (29)" in report["reasons"]
    assert said(watch.run(min_requests=29))["verdict"] == "retrain"


def test_the_smoke_test_of_deploy_is_no_traffic(watch: Watch) -> None:
    watch.add(40, status=500, user=releases.SMOKE_USER, prompts=["a photo of a cat"])
    watch.add(1, user="somebody")
    report = said(watch.run())
    assert (report["verdict"], report["traffic"]["requests"], report["traffic"]["ignored"]) == ("keep", 1, 40)
    assert said(watch.run(ignore_users=()))["verdict"] == "retrain"


def test_an_outage_of_long_ago_asks_for_nothing(watch: Watch) -> None:
    watch.add(40, status=500, time="2026-10-01T12:00:00.000+00:00")
    watch.add(72)
    report = said(watch.run())
    assert (report["verdict"], report["traffic"]["older"]) == ("keep", 40)
    for days in (None, 60):
        assert said(watch.run(window_days=days))["verdict"] == "retrain"


def test_a_prompt_that_is_sent_again_and_again_counts_once(watch: Watch) -> None:
    watch.add(72)
    watch.add(300, prompts=["a photo of a cat on a sofa", "two dogs"])
    report = said(watch.run())
    assert report["verdict"] == "keep"
    assert (report["prompts"]["count"], report["prompts"]["distinct"]) == (372, 74)
    assert [rules(report)[name]["n"] for name in ("drift", "unknown_share")] == [74, 74]


def test_one_prompt_however_often_is_too_little_to_tell(watch: Watch) -> None:
    watch.add(300, prompts=["a photo of a cat on a sofa"])
    found = rules(said(watch.run()))
    assert [found[name]["value"] for name in ("drift", "unknown_share")] == ["insufficient data"] * 2
    assert found["error_share"]["interval"] is not None


@pytest.mark.parametrize(
    ("more", "rule"), [({"status": 500}, "error_share"), ({"seconds": 90.0}, "latency_p95")], ids=["errors", "slow"]
)
def test_what_three_requests_of_forty_say_is_not_certain(watch: Watch, more: dict[str, Any], rule: str) -> None:
    """Beyond the limit as measured, but as likely as not within it."""
    watch.add(37)
    watch.add(3, **more)
    report = said(watch.run())
    found = rules(report)[rule]
    assert found["value"] > found["limit"] > found["bound"] == found["interval"][0]
    assert report["verdict"] == "keep"


def test_drift_is_asked_for_by_the_lower_end_alone(watch: Watch) -> None:
    watch.add(40, prompts=CAPTIONS[:30])
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
        read_log(
            watch.log.parent,
            {"log_bytes": {"host.1": watch.log.stat().st_size}, "log_sha256": "0" * 64},
            MonitorSettings(),
        )


def test_a_release_that_names_no_model_is_named(watch: Watch) -> None:
    watch.inputs["release"] = commit(watch.workspace, "other", "release", "release.json", b"{}")
    with pytest.raises(CorruptError, match=r"release\.json: model: Field required"):
        watch.run()
