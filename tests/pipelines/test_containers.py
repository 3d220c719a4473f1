"""What containers of a local run are handed. That they run is shown in tests/cluster/test_pipeline.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.pipelines.containers import environment, paths_in
from platen.pipelines.settings import RunSettings


def test_existing_paths_in_the_settings_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "pictures").mkdir(parents=True)
    (tmp_path / "in" / "prompts.jsonl").touch()
    (tmp_path / "prices.yaml").touch()
    settings = RunSettings.model_validate(
        {
            "ingest": {"folder": "in/pictures", "urls": "in/not-there.csv", "allow_hosts": ["localhost:80"]},
            "generate": {"prompts": str(tmp_path / "in" / "prompts.jsonl")},
            "plan": {"prices": "prices.yaml"},
            "deploy": {"smoke_prompts": ["a red circle / a blue one", "in"]},
            "workspace": "gs://bucket/ws",
        }
    )
    assert paths_in(settings) == [str(tmp_path / name) for name in ("in/pictures", "in/prompts.jsonl", "prices.yaml")]


def test_a_container_is_told_only_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "localhost:4443")
    monkeypatch.setenv("MY_SECRET", "x")
    passed = environment()
    assert passed["STORAGE_EMULATOR_HOST"] == "localhost:4443"
    assert "MY_SECRET" not in passed
    assert "PLATEN_RUNNER" not in passed, "process ids mean nothing in a container"
