"""Preflight on a laptop: the same task without a cluster."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from platen.core import records
from platen.core.errors import InputError, PlatformError, SettingsError
from platen.core.stage import Folder
from platen.core.storage import exists, try_writing
from platen.jobs.cluster import ACCOUNT
from platen.pipelines.checks.finding import Finding, missing
from platen.pipelines.preflight.task import refuse, run_recorded
from tests.platen.test_imports import heavy_after


def settings(**changes: object) -> str:
    chosen = {"ingest": {"folder": "pictures"}, "generate": {"prompts": "prompts.txt"}}
    return yaml.safe_dump({**chosen, **changes})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what a run reads."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "prompts.txt").write_text("a red circle")
    assert not ACCOUNT.exists()
    return tmp_path


def test_a_run_that_needs_no_cluster_asks_none(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    run_recorded(settings(), "ws", "run")
    (record,) = records.load("run")
    assert (record.name, record.status, record.uri) == ("preflight", "done", None)
    assert list((here / "ws").iterdir()) == []


def test_a_run_that_needs_one_says_that_there_is_none(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    with pytest.raises(InputError, match="no Kubernetes cluster"):
        run_recorded(settings(deploy={"deployment": {}}), "ws", "run")


def test_all_that_is_missing_is_in_the_error_and_in_the_record(here: Path) -> None:
    (here / "prompts.txt").unlink()
    (here / "file").write_text("")
    changes = {"base": {"clip": "./no-clip"}, "plan": {"prices": "prices.yaml"}}
    with pytest.raises(InputError, match="4 things that the run needs"):
        run_recorded(settings(**changes), "file/ws", "run")
    (record,) = records.load("run")
    assert record.error is not None
    assert record.error.exit_code == 2
    for field in ("workspace", "generate.prompts", "base.clip", "plan.prices"):
        assert f". {field} " in record.error.message


def test_a_base_model_that_cannot_be_trained_is_refused_before_the_data_is_read(here: Path, tiny_model: Folder) -> None:
    base = Path(shutil.copytree(tiny_model.path, here / "base"))
    run_recorded(settings(base={"base_model": "./base"}), "ws", "run")
    (base / "clip").rename(here / "clip")
    with pytest.raises(InputError, match=r"base/clip: missing; the base model has no clip/ of its own"):
        run_recorded(settings(base={"base_model": "./base"}), "ws", "run")
    run_recorded(settings(base={"base_model": "./base", "clip": "owner/clip"}), "ws", "run")
    config = base / "unet" / "config.json"
    config.write_text(config.read_text().replace('"in_channels": 4', '"in_channels": 9'))
    with pytest.raises(InputError, match=r"base model \./base: base/unet/config\.json: in_channels is 9\. Accepted: 4"):
        run_recorded(settings(base={"base_model": "./base", "clip": "./clip"}), "ws", "run")


def test_settings_that_a_later_stage_would_refuse_are_refused(here: Path) -> None:
    with pytest.raises(SettingsError, match=r"gate\.ruels: unknown setting"):
        run_recorded(settings(gate={"ruels": []}), "ws", "run")
    assert records.load("run")[0].error is not None


def test_a_name_on_a_hub_and_a_truth_that_is_not_there_are_left_to_their_stages(here: Path) -> None:
    run_recorded(settings(base={"base_model": "some/model"}, notify={"truth": "none.json"}), "ws", "run")


@pytest.mark.parametrize(
    ("user", "kind", "code"), [((True, False), InputError, 2), ((False, False), PlatformError, 1)], ids=["user", "ours"]
)
def test_what_the_user_can_put_right_decides_the_exit_code(user: tuple[bool, ...], kind: type, code: int) -> None:
    found: list[Finding] = [
        missing(f"item {number}", "gone.", "make it", user=mine) for number, mine in enumerate(user)
    ]
    with pytest.raises(kind, match=r"2 things .*\n1\. item 0: gone\. Fix: make it\n2\. item 1") as caught:
        refuse(found)
    assert caught.value.exit_code == code


def test_nothing_heavy_is_imported() -> None:
    assert heavy_after(["platen.pipelines.preflight.task"]) == set()


def test_the_command_ends_with_the_exit_code_and_one_error(here: Path) -> None:
    (here / "my.yaml").write_text(settings(generate={"prompts": "none.txt"}))
    words = [sys.executable, "-m", "platen.cli", "preflight", "--settings", "my.yaml"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "generate.prompts" in done.stderr
    assert "Traceback" not in done.stderr


def test_writing_is_tried_and_leaves_nothing(tmp_path: Path) -> None:
    try_writing(str(tmp_path / "new"))
    assert list((tmp_path / "new").iterdir()) == []


def test_in_a_bucket_objects_and_prefixes_exist_and_nothing_is_left(prefix: str) -> None:
    from platen.core.storage import store_for

    store_for(prefix).write(f"{prefix}/folder/file.txt", b"here")
    assert [exists(f"{prefix}/{name}") for name in ("folder", "folder/", "folder/file.txt", "fold", "none")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    with pytest.raises(InputError, match="no such bucket"):
        exists("gs://platen-no-such-bucket/any")
    try_writing(f"{prefix}/new")
    assert not exists(f"{prefix}/new")
