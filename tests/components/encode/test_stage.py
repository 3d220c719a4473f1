from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from platen.artifacts.dataset import read_index, read_rows, read_samples, shards_of
from platen.artifacts.encoded import ArrayRecord, EncodedRecord
from platen.components.encode.encoder import to_pixels
from platen.components.encode.settings import EncodeSettings
from platen.components.encode.stage import STAGE
from platen.core.stage import Folder, run_stage
from tests.components.encode.shapes import COUNT, SHARD, commit_shapes


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return commit_shapes(str(tmp_path_factory.mktemp("data")))


def encode(workspace: Path, dataset: Folder, model: Folder, **chosen: object) -> Folder:
    inputs = {"dataset": dataset.uri, "base": model.uri}
    return run_stage(STAGE, EncodeSettings.model_validate(chosen), inputs, str(workspace)).folder


def test_latents_are_what_the_autoencoder_gives_scaled(tmp_path: Path, dataset: Folder, tiny_model: Folder) -> None:
    from diffusers import AutoencoderKL

    encoded = encode(tmp_path, dataset, tiny_model, batch=3)
    vae = AutoencoderKL.from_pretrained(tiny_model.path / "vae")
    samples = list(read_samples(dataset.path))
    latents = np.concatenate([np.load(path) for path in sorted((encoded.path / "latents").glob("*.npy"))])
    with torch.no_grad():
        wanted = vae.encode(to_pixels(samples[11].image)[None]).latent_dist.mode() * vae.config["scaling_factor"]
    assert latents.shape == (COUNT, 4, 4, 4)
    assert latents[11] == pytest.approx(wanted[0].numpy(), abs=1e-5)
    assert [row.key for row in read_rows(encoded.path, "00001")] == [s.row.key for s in samples[SHARD : 2 * SHARD]]


def test_embeddings_and_the_empty_caption_fit_the_unet(tmp_path: Path, dataset: Folder, tiny_model: Folder) -> None:
    encoded = encode(tmp_path, dataset, tiny_model, dtype="float16")
    text = np.load(encoded.path / "prompt_embeds" / "00000.npy", mmap_mode="r")
    assert text.shape == (SHARD, 32, 32)
    assert text.dtype == np.float16
    assert np.load(encoded.path / "empty_caption" / "prompt_embeds.npy").shape == (32, 32)


def test_tokens_are_kept_where_the_text_encoder_is_trained(tmp_path: Path, dataset: Folder, tiny_model: Folder) -> None:
    encoded = encode(tmp_path, dataset, tiny_model, text="tokens")
    tokens = np.load(encoded.path / "input_ids" / "00000.npy")
    assert tokens.shape == (SHARD, 32)
    assert tokens.dtype == np.int32
    assert encoded.manifest.facts["text"] == "tokens"
    record = EncodedRecord.read(encoded.path)
    assert (record.family, record.text, record.max_tokens, record.resolution) == ("stable-diffusion", "tokens", 32, 32)
    assert record.arrays["input_ids"] == ArrayRecord(dtype="int32", shape=(32,))


def test_finished_shards_are_kept_and_the_rest_comes_out_the_same(
    tmp_path: Path, dataset: Folder, tiny_model: Folder
) -> None:
    whole = encode(tmp_path / "whole", dataset, tiny_model)
    desk = tmp_path / "part" / "encode" / f".{whole.manifest.fingerprint}" / "out"
    shutil.copytree(whole.path, desk, ignore=shutil.ignore_patterns("manifest.json", "run.json", "00002.*"))
    kept = (desk / "latents" / "00000.npy").stat()
    again = encode(tmp_path / "part", dataset, tiny_model)
    assert again.digest == whole.digest
    assert (again.path / "latents" / "00000.npy").stat().st_mtime_ns == kept.st_mtime_ns


@pytest.fixture(scope="module")
def of_two_sizes(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return commit_shapes(str(tmp_path_factory.mktemp("data")), sizes=[(40, 24), (32, 32), (32, 32)])


def test_a_shard_of_arrays_has_pictures_of_one_size(tmp_path: Path, of_two_sizes: Folder, tiny_model: Folder) -> None:
    encoded = encode(tmp_path, of_two_sizes, tiny_model, batch=3)
    found = {}
    for shard in shards_of(encoded.path):
        latents, rows = np.load(encoded.path / "latents" / f"{shard}.npy"), read_rows(encoded.path, shard)
        assert len(latents) == len(np.load(encoded.path / "prompt_embeds" / f"{shard}.npy")) == len(rows)
        assert {(row.width, row.height) for row in rows} == {(8 * latents.shape[3], 8 * latents.shape[2])}
        found |= {row.key: latent for row, latent in zip(rows, latents, strict=True)}
    assert shards_of(encoded.path)[:2] == ["00000-32x32", "00000-40x24"]
    assert found.keys() == {row.key for row in read_index(of_two_sizes.path)}
    assert encoded.manifest.facts["sizes"] == {"32x32": 16, "40x24": 8}


def test_a_picture_is_encoded_as_it_would_be_among_its_like(
    tmp_path: Path, of_two_sizes: Folder, dataset: Folder, tiny_model: Folder
) -> None:
    mixed, alone = (encode(tmp_path, folder, tiny_model, batch=8) for folder in (of_two_sizes, dataset))
    keys = [row.key for row in read_rows(alone.path, "00000")]
    latents = np.load(mixed.path / "latents" / "00000-32x32.npy")
    for latent, row in zip(latents, read_rows(mixed.path, "00000-32x32"), strict=True):
        wanted = np.load(alone.path / "latents" / "00000.npy")[keys.index(row.key)]
        assert latent == pytest.approx(wanted, abs=1e-5)


def test_killed_between_two_sizes_of_a_shard(tmp_path: Path, of_two_sizes: Folder, tiny_model: Folder) -> None:
    whole = encode(tmp_path / "whole", of_two_sizes, tiny_model)
    desk = tmp_path / "part" / "encode" / f".{whole.manifest.fingerprint}" / "out"
    left = shutil.ignore_patterns("manifest.json", "run.json", "00002*", "00001-40x24.parquet")
    shutil.copytree(whole.path, desk, ignore=left)
    kept = (desk / "latents" / "00001-32x32.npy").stat()
    again = encode(tmp_path / "part", of_two_sizes, tiny_model)
    assert again.digest == whole.digest
    assert (again.path / "latents" / "00001-32x32.npy").stat().st_mtime_ns == kept.st_mtime_ns


def test_a_shard_without_pictures_is_passed_over(tmp_path: Path, tiny_model: Folder) -> None:
    dataset = commit_shapes(str(tmp_path), sizes=[(32, 32)], empty_shard=True)
    encoded = encode(tmp_path, dataset, tiny_model)
    assert encoded.manifest.counts == {"samples": COUNT, "truncated_captions": 0}
    assert shards_of(encoded.path) == ["00000", "00001", "00002"]


def test_pixels_are_between_minus_one_and_one() -> None:
    data = io.BytesIO()
    Image.new("L", (4, 2), 255).save(data, "PNG")
    pixels = to_pixels(data.getvalue())
    assert pixels.shape == (3, 2, 4)
    assert pixels.unique().tolist() == [1.0]


def test_captions_that_are_cut_are_counted_and_one_is_shown(
    tmp_path: Path, tiny_model: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = commit_shapes(str(tmp_path), long_captions=3)
    encoded = encode(tmp_path, dataset, tiny_model)
    assert encoded.manifest.counts["truncated_captions"] == 3
    (warning,) = [record.message for record in caplog.records if "longer than the 32 tokens" in record.message]
    assert warning.startswith(f"3 of {COUNT} captions are longer")
    assert "red red red" in warning
