from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.artifacts import releases
from platen.core.errors import CorruptError, InputError

A, B = "a" * 64, "b" * 64


def names(workspace: Path) -> list[str]:
    return [release.digest for release in releases.load(str(workspace)).history]


def test_a_new_workspace_has_nothing_live(tmp_path: Path) -> None:
    assert releases.load(str(tmp_path)).live is None
    assert list(tmp_path.iterdir()) == []


def test_the_model_promoted_last_is_live_and_the_earlier_one_is_kept(tmp_path: Path) -> None:
    releases.promote(str(tmp_path), "train/a", A, "evaluate/a")
    releases.promote(str(tmp_path), "train/b", B, "evaluate/b")
    live = releases.load(str(tmp_path)).live
    assert live is not None
    assert (live.model, live.digest, live.report) == ("train/b", B, "evaluate/b")
    assert names(tmp_path) == [A, B]


def test_promoting_what_is_live_changes_no_byte(tmp_path: Path) -> None:
    releases.promote(str(tmp_path), "train/a", A, "evaluate/a")
    pointer = tmp_path / "releases" / "live.json"
    before = pointer.read_bytes()
    releases.promote(str(tmp_path), "train/a", A, "evaluate/a")
    assert pointer.read_bytes() == before


def test_rolling_back_makes_the_earlier_model_live(tmp_path: Path) -> None:
    releases.promote(str(tmp_path), "train/a", A, "evaluate/a")
    releases.promote(str(tmp_path), "train/b", B, "evaluate/b")
    assert [release.digest for release in releases.roll_back(str(tmp_path)).history] == [A]
    assert names(tmp_path) == [A]


@pytest.mark.parametrize("promoted", [[], [A]])
def test_rolling_back_needs_an_earlier_release(tmp_path: Path, promoted: list[str]) -> None:
    for digest in promoted:
        releases.promote(str(tmp_path), "train/a", digest, "evaluate/a")
    with pytest.raises(InputError, match=r"live\.json: no earlier release"):
        releases.roll_back(str(tmp_path))
    assert names(tmp_path) == promoted


def test_the_champion_is_the_same_before_and_after_the_promotion(tmp_path: Path) -> None:
    releases.promote(str(tmp_path), "train/a", A, "evaluate/a")
    before = releases.champion(str(tmp_path), B)
    releases.promote(str(tmp_path), "train/b", B, "evaluate/b")
    assert before is not None
    assert before.digest == A
    assert releases.champion(str(tmp_path), B) == before


def test_the_first_model_has_no_champion_to_beat(tmp_path: Path) -> None:
    assert releases.champion(str(tmp_path), A) is None
    releases.promote(str(tmp_path), "train/a", A, "evaluate/a")
    assert releases.champion(str(tmp_path), A) is None


@pytest.mark.parametrize(
    "pointer",
    ["", "[]", "{", '{"history": [{"model": "train/a"}]}', '{"history": [], "more": 1}'],
    ids=["empty", "a_list", "cut_short", "field_missing", "field_unknown"],
)
def test_a_pointer_that_is_none_is_named(tmp_path: Path, pointer: str) -> None:
    path = tmp_path / "releases" / "live.json"
    path.parent.mkdir()
    path.write_text(pointer)
    with pytest.raises(CorruptError, match=r"releases/live\.json: not a list of releases"):
        releases.load(str(tmp_path))


def test_the_pointer_is_plain_json_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    releases.promote(str(tmp_path), "train/a", A, "evaluate/a")
    folder = tmp_path / "releases"
    assert [path.name for path in folder.iterdir()] == ["live.json"]
    assert json.loads((folder / "live.json").read_bytes())["history"][0]["digest"] == A


@given(st.lists(st.sampled_from(["promote a", "promote b", "promote c", "roll back"]), max_size=12))
def test_the_history_is_that_of_a_stack(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    workspace = tmp_path_factory.mktemp("workspace")
    expected: list[str] = []
    for step in steps:
        if step == "roll back":
            if len(expected) > 1:
                releases.roll_back(str(workspace))
                expected.pop()
            continue
        digest = step[-1] * 64
        releases.promote(str(workspace), f"train/{step[-1]}", digest, "evaluate/x")
        expected += [digest] if expected[-1:] != [digest] else []
    assert names(workspace) == expected


def test_each_model_has_a_request_log_of_its_own(tmp_path: Path) -> None:
    first, second = (releases.request_log(str(tmp_path), digest) for digest in (A, B))
    assert first != second
    assert Path(first).is_relative_to(tmp_path / "requests")


@given(st.builds(releases.ReleaseRecord))
def test_a_release_is_read_as_it_was_written(record: releases.ReleaseRecord) -> None:
    assert releases.ReleaseRecord.parse(record.encode(), "release.json") == record
