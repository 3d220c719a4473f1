"""Taking over a model that the user has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from platen.components.base.given import check_parts, describe, hub_id, take_over
from platen.errors import InputError
from platen.stage import Folder


@pytest.fixture
def given(tiny_model: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model.path, tmp_path / "given"))


def test_a_whole_folder_is_copied_and_loads(given: Path, tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline

    out = tmp_path / "out"
    take_over(str(given), "main", None, out)
    assert not (out / "manifest.json").exists()
    assert (out / "clip" / "model.safetensors").is_file()
    assert DiffusionPipeline.from_pretrained(out, safety_checker=None).unet.config["sample_size"] == 8


@pytest.mark.parametrize(
    "missing",
    [
        "model_index.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/tokenizer_config.json",
        "scheduler/scheduler_config.json",
        "clip/model.safetensors",
    ],
)
def test_the_missing_file_is_named(given: Path, tmp_path: Path, missing: str) -> None:
    (given / missing).unlink()
    with pytest.raises(InputError, match=missing.replace(".", r"\.")):
        take_over(str(given), "main", None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_without_clip_says_which_setting_names_one(given: Path, tmp_path: Path) -> None:
    (given / "clip").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"the base model has no clip/ of its own, so base\.clip must name"):
        take_over(str(given), "main", None, tmp_path / "out")
    take_over(str(given), "main", str(tmp_path / "elsewhere"), tmp_path / "out")
    check_parts(tmp_path / "out")
    assert (tmp_path / "out" / "clip" / "config.json").is_file()


def test_another_file_is_another_model(given: Path) -> None:
    before = describe(str(given), "main")
    (given / "unet" / "config.json").write_text((given / "unet" / "config.json").read_text() + "\n")
    assert before != describe(str(given), "main")
    assert describe(None, "main") is None


@pytest.mark.parametrize("name", ["/no/such/folder", "./model", "model", "a/b/c", "../a/b"])
def test_what_is_neither_folder_nor_hub_id_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no such folder, and not of the form OWNER/NAME"):
        hub_id(name)


def test_a_hub_id_is_described_with_its_revision() -> None:
    assert describe("some-owner/some_model.v2", "abc") == "some-owner/some_model.v2@abc"


def test_a_tokenizer_without_its_words_is_refused(given: Path, tmp_path: Path) -> None:
    (given / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer/tokenizer\.json\|vocab\.json: missing"):
        take_over(str(given), "main", None, tmp_path / "out")
    (given / "tokenizer" / "vocab.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer/tokenizer\.json\|merges\.txt: missing"):
        check_parts(given)
    (given / "tokenizer" / "merges.txt").write_text("")
    check_parts(given)
