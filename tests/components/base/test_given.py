"""Taking over a model that the user has."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from platen.components.base.given import describe, hub_id
from platen.core.errors import InputError
from tests.components.base.taking import UNET_WEIGHTS, cut, take

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3438167540\n"


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def unet(folder: Path, **config: object) -> None:
    """Replace the UNet by another one of the same sizes, as published models have it."""
    from diffusers import UNet2DConditionModel

    sizes = {
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 32,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    shutil.rmtree(folder / "unet")
    UNet2DConditionModel(**{**sizes, **config}).save_pretrained(folder / "unet")


def rewrite(path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def without_first(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: each for name, each in weights.items() if name != min(weights)}


def test_a_whole_folder_is_copied_and_loads(given: Path, tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline

    (given / "LICENSE.md").write_text("Open RAIL-M")
    for name in ("unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.safetensors", "v1-5.ckpt"):
        (given / name).write_bytes(b"not needed")
    out = take(given, tmp_path)
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert found == {
        *("model_index.json", "LICENSE.md", "unet/config.json", UNET_WEIGHTS, "scheduler/scheduler_config.json"),
        *("vae/config.json", "vae/diffusion_pytorch_model.safetensors"),
        *("text_encoder/config.json", "text_encoder/model.safetensors"),
        *("tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
        *("clip/config.json", "clip/model.safetensors", "clip/processor_config.json"),
        *("clip/tokenizer.json", "clip/tokenizer_config.json"),
    }
    assert DiffusionPipeline.from_pretrained(out).unet.config["sample_size"] == 8
    assert load_file(out / UNET_WEIGHTS).keys() == load_file(given / UNET_WEIGHTS).keys()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            lambda model: edit(model / "model_index.json", _class_name="StableDiffusionInpaintPipeline"),
            r"model_index\.json: _class_name 'StableDiffusionInpaintPipeline' is of no family .* StableDiffusion3P",
        ),
        (
            lambda model: edit(model / "model_index.json", _class_name="StableDiffusionXLPipeline"),
            r"model_index\.json: text_encoder_2 is missing\. Accepted: \[library, class\]; needed are unet, v",
        ),
        (lambda model: unet(model, in_channels=9), r"unet/config\.json: in_channels is 9\. Accepted: 4 \(latent_ch"),
        (lambda model: unet(model, in_channels=8), r"unet/config\.json: in_channels is 8\. Accepted: 4 \(latent_ch"),
        (lambda model: unet(model, out_channels=8), r"unet/config\.json: out_channels is 8\. Accepted: 4"),
        (
            lambda model: unet(model, cross_attention_dim=128),
            r"unet/config\.json: cross_attention_dim is 128\. Accepted: 32 \(hidden_size of text_encoder/",
        ),
        (
            lambda model: unet(model, cross_attention_dim=(32, 64)),
            r"cross_attention_dim is \[32, 64\]\. Accepted: 32 or \[32, 32\]",
        ),
        (
            lambda model: unet(model, num_class_embeds=1000),
            r"unet/config\.json: num_class_embeds is 1000\. Accepted: null",
        ),
        (
            lambda model: unet(
                model,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=112,
            ),
            r'unet/config\.json: addition_embed_type is "text_time"\. Accepted: null or "text"',
        ),
        (lambda model: unet(model, time_cond_proj_dim=16), r"time_cond_proj_dim is 16\. Accepted: null"),
        (
            lambda model: edit(model / "unet/config.json", _class_name="SD3Transformer2DModel"),
            r'unet/config\.json: _class_name is "SD3Transformer2DModel"\. Accepted: UNet2DConditionModel',
        ),
        (
            lambda model: edit(model / "unet/config.json", block_out_channels="many"),
            r"unet/config\.json: block_out_channels is 'many'\. Accepted: whole numbers, one per level",
        ),
        (
            lambda model: edit(model / "unet/config.json", down_block_types=["DownBlock2D"]),
            r"unet/config\.json: no UNet2DConditionModel can be built by it",
        ),
        (lambda model: edit(model / "vae/config.json", latent_channels=16), r"in_channels is 4\. Accepted: 16"),
        (lambda model: edit(model / "vae/config.json", in_channels=1), r"vae/config\.json: in_channels is 1\. Acc.* 3"),
        (
            lambda model: edit(model / "vae/config.json", block_out_channels=[8, 8, 8, 16]),
            None,  # the levels in between are compared where the VAE is loaded
        ),
        (
            lambda model: edit(model / "vae/config.json", block_out_channels=[8, 8, 16, 32]),
            r"vae: decoder\.conv_in\.weight has the shape \[16, 4, 3, 3\]\. Accepted: \[32, 4, 3, 3\]",
        ),
        (
            lambda model: edit(model / "text_encoder/config.json", architectures=["T5EncoderModel"]),
            r'text_encoder/config\.json: architectures is \["T5EncoderModel"\]\. Accepted: CLIPTextModel',
        ),
        (
            lambda model: edit(model / "text_encoder/config.json", vocab_size=49408),
            r"text_encoder: embeddings\.token_embedding\.weight has the shape \[570, 32\]\. Accepted: \[49408, 32\]",
        ),
        (
            lambda model: edit(model / "tokenizer/tokenizer_config.json", model_max_length=77),
            r"tokenizer/tokenizer_config\.json: model_max_length is 77\. Accepted: a whole number from 1 to 32",
        ),
        (lambda model: edit(model / "scheduler/scheduler_config.json", _class_name=None), r"_class_name is missing"),
        (lambda model: cut(model / UNET_WEIGHTS), r"unet/diffusion_pytorch_model\.safetensors: is cut"),
        (lambda model: (model / UNET_WEIGHTS).write_text(POINTER), r"safetensors: a git-lfs pointer"),
        (
            lambda model: (model / UNET_WEIGHTS).rename(model / "unet/diffusion_pytorch_model.bin"),
            r"unet: only diffusion_pytorch_model\.bin, which Platen does not open",
        ),
        (
            lambda model: rewrite(model / UNET_WEIGHTS, without_first),
            r"unet: lacks 1 weights of its config\.json, as conv_in\.bias",
        ),
        (
            lambda model: rewrite(
                model / UNET_WEIGHTS, lambda each: {**each, "mid_block.resnets.0.conv1.bias": torch.ones(3)}
            ),
            r"unet: mid_block\.resnets\.0\.conv1\.bias has the shape \[3\]\. Accepted: \[32\]",
        ),
        (lambda model: cut(model / "clip/model.safetensors"), r"clip/model\.safetensors: is cut"),
        (lambda model: (model / "clip/tokenizer.json").unlink(), r"clip/tokenizer\.json: missing"),
        (
            lambda model: rewrite(
                model / "clip/model.safetensors",
                lambda each: {name: value for name, value in each.items() if name != "text_projection.weight"},
            ),
            r"clip: the weights lack text_projection\.weight\. Accepted: a CLIPModel with both projections",
        ),
        (
            lambda model: edit(model / "clip/config.json", architectures=["CLIPVisionModel"]),
            r'clip/config\.json: architectures is \["CLIPVisionModel"\]\. Accepted: CLIPModel',
        ),
    ],
)
def test_every_fault_is_named_before_anything_is_written(
    given: Path, tmp_path: Path, change: Callable[[Path], None], fault: str | None
) -> None:
    change(given)
    if fault is None:
        take(given, tmp_path)
    else:
        with pytest.raises(InputError, match=fault):
            take(given, tmp_path)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "missing",
    [
        "model_index.json",
        "vae/config.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/tokenizer.json",
        "scheduler/scheduler_config.json",
        "clip/config.json",
        "clip/tokenizer_config.json",
    ],
)
def test_the_missing_file_is_named(given: Path, tmp_path: Path, missing: str) -> None:
    (given / missing).unlink()
    with pytest.raises(InputError, match=rf"{missing}: missing".replace(".", r"\.")):
        take(given, tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_clip_needs_a_preprocessor(given: Path, tmp_path: Path) -> None:
    (given / "clip" / "processor_config.json").rename(given / "clip" / "aside.json")
    with pytest.raises(InputError, match=r"clip/preprocessor_config\.json: missing\. Accepted: .* or processor_config"):
        take(given, tmp_path)
    (given / "clip" / "preprocessor_config.json").write_text("{}")
    with pytest.raises(InputError, match=r"clip/preprocessor_config\.json: image_mean is None\. Accepted: three num"):
        take(given, tmp_path)


@pytest.mark.parametrize("size", ["20KB", "10GB"])
@pytest.mark.parametrize("variant", [None, "fp16"])
def test_shards_and_variants_become_one_plain_file(given: Path, tmp_path: Path, size: str, variant: str | None) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(given)
    published = tmp_path / "published"
    pipeline.save_pretrained(published, max_shard_size=size, variant=variant)
    shutil.copytree(given / "clip", published / "clip")
    out = take(published, tmp_path)
    for name in (UNET_WEIGHTS, "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"):
        wanted, found = load_file(given / name), load_file(out / name)
        assert wanted.keys() == found.keys() and all(torch.equal(found[each], wanted[each]) for each in wanted)
        assert len(list((out / name).parent.iterdir())) == 2
    StableDiffusionPipeline.from_pretrained(out)


def test_a_variant_is_chosen(given: Path, tmp_path: Path) -> None:
    shutil.copy(given / UNET_WEIGHTS, given / "unet" / "diffusion_pytorch_model.ema.safetensors")
    rewrite(
        given / "unet" / "diffusion_pytorch_model.ema.safetensors", lambda each: {n: w + 1 for n, w in each.items()}
    )
    out = take(given, tmp_path, variant="ema")
    assert torch.equal(
        load_file(out / UNET_WEIGHTS)["conv_in.bias"], load_file(given / UNET_WEIGHTS)["conv_in.bias"] + 1
    )


def test_a_safety_checker_that_is_named_and_absent(given: Path, tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline

    index = given / "model_index.json"
    edit(index, safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"], requires_safety_checker=True)
    edit(index, feature_extractor=["transformers", "CLIPImageProcessor"])
    assert DiffusionPipeline.from_pretrained(take(given, tmp_path)).safety_checker is None


def test_a_model_without_clip_says_which_setting_names_one(given: Path, tmp_path: Path) -> None:
    (given / "clip").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"the base model has no clip/ of its own, so base\.clip must name"):
        take(given, tmp_path)
    assert (take(given, tmp_path, clip=str(tmp_path / "elsewhere")) / "clip" / "config.json").is_file()


def test_another_file_is_another_model(given: Path) -> None:
    before = describe(str(given), "main")
    (given / "README.md").write_text("does not matter")
    assert before == describe(str(given), "main")
    (given / "unet" / "config.json").write_text((given / "unet" / "config.json").read_text() + "\n")
    assert before != describe(str(given), "main")
    assert describe(None, "main") is None


@pytest.mark.parametrize("name", ["/no/such/folder", "./model", "model", "a/b/c", "../a/b"])
def test_what_is_neither_folder_nor_hub_id_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no such folder, and not of the form OWNER/NAME"):
        hub_id(name)


def test_a_hub_id_is_described_with_its_revision() -> None:
    assert describe("some-owner/some_model.v2", "abc") == "some-owner/some_model.v2@abc"
