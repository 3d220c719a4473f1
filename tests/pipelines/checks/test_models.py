"""A base model of the user's own, looked at before the data is prepared."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from platen.core.stage import Folder
from platen.pipelines.checks.finding import Finding
from platen.pipelines.checks.models import base
from tests.pipelines.checks.sites import site


def look(**settings: object) -> list[Finding]:
    chosen = ", ".join(f"{name}: {value}" for name, value in settings.items())
    return list(base(site(f"base: {{{chosen}}}")))


@pytest.fixture
def model(tiny_model: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model.path, tmp_path / "model"))


def test_a_whole_model_is_found_and_a_broken_one_named_by_its_file(model: Path) -> None:
    assert [(each.item, each.state) for each in look(base_model=model)] == [(f"base model {model}", "ok")]
    (model / "vae" / "config.json").write_text("{}")
    (found,) = look(base_model=model)
    assert (found.state, found.user, "vae/config.json" in found.words) == ("missing", True, True)


@pytest.mark.parametrize("settings", [{}, {"base_model": "owner/model"}, {"base_model": "/no/such/folder"}])
def test_what_is_not_here_is_left_to_others(settings: dict[str, object]) -> None:
    assert look(**settings) == []


def test_nor_is_a_single_file_looked_at_whose_configs_are_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "one.safetensors"
    file.write_bytes(b"")
    assert look(base_model=file, config="owner/model") == []
    assert look(base_model=file)[0].state == "missing"
