"""What the stage checks before ranks are started, and what it takes over from them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from platen.components.train import stage
from platen.components.train.job import EXPORT
from platen.components.train.stage import check_family, facts, launcher, link, read_result, take_export
from platen.core.errors import CorruptError, InputError
from platen.core.manifest import list_files
from platen.core.stage import Folder
from tests.components.train.small_run import commit, settings, write_encoded


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "shared" / EXPORT / "unet"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"1234")
    return folder.parent


def test_the_export_is_linked_and_not_copied(export: Path, tmp_path: Path) -> None:
    take_export(str(export.parent), list_files(export), tmp_path / "out")
    assert (export / "unet" / "weights").samefile(tmp_path / "out" / "unet" / "weights")


def test_an_export_that_has_changed_since_is_not_taken_for_the_model(export: Path, tmp_path: Path) -> None:
    files = list_files(export)
    (export / "unet" / "weights").write_bytes(b"9999")
    with pytest.raises(CorruptError, match="unet/weights"):
        take_export(str(export.parent), files, tmp_path / "out")


def test_where_a_file_system_knows_no_links_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Operation not permitted")

    (tmp_path / "a").write_bytes(b"1")
    monkeypatch.setattr(stage.os, "link", refuse)
    link(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"1"


def test_there_is_no_result_before_training_ends(tmp_path: Path) -> None:
    assert read_result(str(tmp_path)) is None
    (tmp_path / "result.json").write_text('{"losses": [1]}')
    assert read_result(str(tmp_path)) == {"losses": [1]}


def test_a_dataset_of_another_family_is_refused_by_both_names(base: Folder, tmp_path: Path) -> None:
    encoded = commit(write_encoded, tmp_path, "encode", "encoded", {"family": "flux"})
    with pytest.raises(InputError, match="encoded with flux; the base model is stable-diffusion"):
        check_family({"encoded": encoded, "base": base})
    plain = commit(write_encoded, tmp_path / "plain", "encode", "encoded")
    assert check_family({"encoded": plain, "base": base}).name == "stable-diffusion"


def said(*losses: float | None) -> dict[str, Any]:
    return {"losses": list(losses), "export_error": 0.0}


def test_a_model_s_last_loss_is_a_mean_without_the_batches_that_were_left_out(encoded: Folder, base: Folder) -> None:
    inputs = {"encoded": encoded, "base": base}
    found = facts(settings(), inputs, said(None, 9.0, *[1.0] * 48, None, 3.0, 5.0))
    assert (found["first_loss"], found["last_loss"]) == (9.0, pytest.approx((48 + 8) / 50))
    with pytest.raises(InputError, match="no batch could be trained on"):
        facts(settings(), inputs, said(None, None))


def test_how_a_job_is_launched_follows_from_its_settings() -> None:
    assert launcher(settings()).__module__.endswith("node.local")
    on_a_cluster: Any = SimpleNamespace(job=SimpleNamespace())
    assert launcher(on_a_cluster) is not launcher(settings())
