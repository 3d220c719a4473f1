"""Notices, asked from a server that answers as the metadata servers of clouds do."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from platen.components.train.rank.notices import watch
from platen.components.train.rank.settings import StopSettings
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.settings import build
from tests.components.train.metadata_server import Answer, MetadataServer

PREEMPT = {"DocumentIncarnation": 2, "Events": [{"EventType": "Preempt", "NotBefore": "Mon, 19 Sep 2026 18:29:47 GMT"}]}
CLOUDS = {
    "Google Cloud": (Answer(200, "FALSE"), Answer(200, "TRUE")),
    "AWS": (Answer(404, ""), Answer(200, json.dumps({"action": "terminate", "time": "2026-09-18T08:22:00Z"}))),
    "Azure": (Answer(200, json.dumps({"DocumentIncarnation": 1, "Events": []})), Answer(200, json.dumps(PREEMPT))),
}


def watched(url: str | None, **changes: Any) -> tuple[Event, Event]:
    """Whether there was a notice; and what ends the looking."""
    told, ended = Event(), Event()
    watch(StopSettings(notice_url=url, poll_seconds=0.02, **changes), told.set, ended)
    return told, ended


@pytest.mark.parametrize(("calm", "notice"), CLOUDS.values(), ids=CLOUDS)
def test_a_notice_is_what_a_cloud_says(calm: Answer, notice: Answer, metadata: MetadataServer) -> None:
    metadata.answer = calm
    told, _ = watched(metadata.url, notice_headers={"Metadata-Flavor": "Google"})
    metadata.wait_until_asked(3)
    assert not told.is_set()
    metadata.answer = notice
    assert told.wait(30)
    assert {request.headers["Metadata-Flavor"] for request in metadata.asked} == {"Google"}


def test_a_server_that_wants_a_token_is_asked_for_one(metadata: MetadataServer) -> None:
    metadata.token = "of-the-day"
    metadata.answer = Answer(200, json.dumps({"action": "stop"}))
    told, _ = watched(metadata.url)
    assert told.wait(30)
    assert [request.method for request in metadata.asked] == ["GET", "PUT", "GET"]


def test_a_server_that_fails_is_no_notice(metadata: MetadataServer, caplog: pytest.LogCaptureFixture) -> None:
    metadata.answer = Answer(500, "TRUE")
    told, ended = watched(metadata.url)
    metadata.wait_until_asked(3)
    ended.set()
    assert not told.is_set()
    assert [record.message for record in caplog.records if "no notice can be had" in record.message][1:] == []


def test_a_redirect_is_not_followed(metadata: MetadataServer) -> None:
    metadata.answer = Answer(302, "TRUE", {"Location": f"{metadata.url}/elsewhere"})
    told, ended = watched(metadata.url)
    metadata.wait_until_asked(3)
    ended.set()
    assert not told.is_set()
    assert {request.path for request in metadata.asked} == {"/preempted"}


def test_a_file_that_appears_is_a_notice(tmp_path: Path) -> None:
    told, _ = watched(None, notice_file=str(tmp_path / "notice"))
    assert not told.wait(0.1)
    (tmp_path / "notice").touch()
    assert told.wait(30)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"train\.stop\.notice_url: .*'file:///etc/passwd' is no address"):
        build(TrainSettings, {"stop": {"notice_url": "file:///etc/passwd"}}, "run.yaml", "train")
