"""What holds for every family; a new one is tested by its line in platen/families/registry.py.

What its network gets is compared with its pipeline in a file of its own, since pipelines differ in their arguments.
"""

from __future__ import annotations

import copy
import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import DiffusionPipeline
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from platen.core.errors import InputError
from platen.families.batch import stack_conditions
from platen.families.layout import check_fields, read_json, read_model_index, weight_files
from platen.families.registry import families, family_named, family_of
from tests.platen.families.parity import check_images, pixels

CAPTIONS = ["a red circle", "", "a blue square on sand, seen from above"]
SIZES = [(32, 32), (64, 32)]
"""Height and width in pixels that every tiny model takes."""
LARGEST = 2_000_000
"""Bytes of a tiny model's weights."""

UNUSED = {"qwen-image": tuple(f"transformer.transformer_blocks.1.{end}." for end in ("attn.to_add_out", "txt_mlp"))}
"""Parameters that get no gradient: what the last block makes of the caption, which nothing reads."""


@dataclass(frozen=True)
class Tiny:
    """A family with its tiny model, and a sample of it for each of CAPTIONS: read them, do not change them."""

    family: Any
    folder: Path
    encoders: Any
    denoiser: Any
    latents: Tensor
    conditions: dict[str, Tensor]

    def predict(self, network: nn.Module) -> Tensor:
        """Predict with a network from the samples."""
        network.eval()
        timesteps = torch.tensor([900.0, 500.0, 20.0])
        with torch.no_grad():
            return self.family.predict(network, self.latents, timesteps, self.conditions)


@pytest.fixture(scope="module", params=[family.name for family in families()])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    family = family_named(request.param)
    folder = tmp_path_factory.mktemp("tiny") / "model"
    family.tiny(folder, seed=3)
    encoders = family.encoders(folder, "cpu")
    latents = encoders.encode_images(pixels(len(CAPTIONS), SIZES[0])).clone()
    encoded = encoders.encode_captions(CAPTIONS)
    conditions = {
        name: tensor.clone() for name, tensor in stack_conditions(encoded, family.variable_length).items()
    }  # copies, since tensors made under inference_mode can't be trained with
    return Tiny(family, folder, encoders, family.load(folder), latents, conditions)


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_seed_makes_the_same_small_model_again(tiny: Tiny, tmp_path: Path) -> None:
    again, other = tmp_path / "again", tmp_path / "other"
    tiny.family.tiny(again, seed=3)
    tiny.family.tiny(other, seed=4)
    first = files(tiny.folder)
    assert files(again) == first
    changed = {name for name, content in files(other).items() if content != first[name]}
    assert changed == {name for name in first if name.endswith(".safetensors")}
    assert sum(len(first[name]) for name in changed) < LARGEST


def test_its_folder_is_recognized(tiny: Tiny) -> None:
    assert family_of(tiny.folder) is tiny.family


def test_its_folder_passes_its_checks(tiny: Tiny) -> None:
    tiny.family.check(tiny.folder)
    tiny.family.check_weights(tiny.folder)
    tiny.family.check_network(tiny.folder, weight_files(tiny.folder, tiny.family.network))


def test_a_folder_is_checked_without_torch(tiny: Tiny) -> None:
    code = f"""
import sys
from pathlib import Path
from platen.families.registry import family_of
folder = Path({str(tiny.folder)!r})
family_of(folder).check(folder)
family_of(folder).check_weights(folder)
print(sorted({{"torch", "diffusers", "transformers", "numpy"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = read_json(file)
    change(values)
    file.write_text(json.dumps(values))


def is_refused(tiny: Tiny, folder: Path, fault: str) -> None:
    """Check a changed copy of a tiny model, whose fault must be named; `fault` follows the folder's path."""
    with pytest.raises(InputError) as refused:
        tiny.family.check(folder)
        tiny.family.check_weights(folder)
        tiny.family.check_network(folder, weight_files(folder, tiny.family.network))
    assert str(refused.value).startswith(f"{folder}/{fault}"), refused.value


CLIP_L = {"hidden_size": 768, "projection_dim": 768}
CLIP_G = {"hidden_size": 1280, "projection_dim": 1280}
T5_XXL = {"d_model": 4096}
PUBLISHED: dict[str, list[dict[str, dict[str, Any]]]] = {
    "stable-diffusion": [
        {"vae": {"latent_channels": 4}, "text_encoder": CLIP_L, "unet": {"cross_attention_dim": 768}},
        {"vae": {"latent_channels": 4}, "text_encoder": {"hidden_size": 1024}, "unet": {"cross_attention_dim": 1024}},
    ],
    "stable-diffusion-xl": [
        {
            "vae": {"latent_channels": 4},
            "text_encoder": CLIP_L,
            "text_encoder_2": CLIP_G,
            "unet": {
                "cross_attention_dim": 2048,
                "addition_embed_type": "text_time",
                "addition_time_embed_dim": 256,
                "projection_class_embeddings_input_dim": 2816,
            },
        }
    ],
    "stable-diffusion-3": [
        {
            "vae": {"latent_channels": 16},
            "text_encoder": CLIP_L,
            "text_encoder_2": CLIP_G,
            "text_encoder_3": T5_XXL,
            "transformer": {"joint_attention_dim": 4096, "pooled_projection_dim": 2048},
        }
    ],
    "pixart-sigma": [
        {"vae": {"latent_channels": 4}, "text_encoder": T5_XXL, "transformer": {"caption_channels": 4096}}
    ],
    "flux": [
        {
            "vae": {"latent_channels": 16},
            "text_encoder": CLIP_L,
            "text_encoder_2": T5_XXL,
            "transformer": {"joint_attention_dim": 4096, "pooled_projection_dim": 768, "guidance_embeds": True},
        }
    ],
    "flux2-klein": [
        {
            "vae": {"latent_channels": 32},
            "text_encoder": {"hidden_size": width},
            "transformer": {"joint_attention_dim": joint, "guidance_embeds": False},
        }
        for width, joint in ((2560, 7680), (4096, 12288))
    ],
    "flux2-dev": [
        {"vae": {"latent_channels": 32}, "text_encoder": {"hidden_size": 5120}, "transformer": {}},
    ],
    "qwen-image": [{"vae": {"z_dim": 16}, "text_encoder": {"hidden_size": 3584}, "transformer": {}}],
    "z-image": [{"vae": {"latent_channels": 16}, "text_encoder": {"hidden_size": 2560}, "transformer": {}}],
}
"""Sizes of published models; what a network's configuration does not say here is the default of diffusers' class."""


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_published_sizes_fit_each_other(family: Any, tmp_path: Path) -> None:
    network = getattr(diffusers, family.network_class)
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(network.__init__).parameters.items()
        if parameter.default is not parameter.empty
    }
    for sizes in PUBLISHED[family.name]:
        config = json.loads(json.dumps({**defaults, **sizes[family.network]}))
        fields = family.network_fields(tmp_path, {**sizes, family.network: config})
        check_fields(tmp_path / "config.json", config, fields)


def test_each_needed_component_must_be_there_and_named(tiny: Tiny, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.folder, tmp_path / "model")
    needed = tiny.family.needed(read_model_index(folder))
    assert {path.name for path in folder.iterdir() if path.is_dir()} == set(needed)
    for name in needed:
        (folder / name).rename(tmp_path / "aside")
        is_refused(tiny, folder, f"{name}: missing; model_index.json names this component")
        (tmp_path / "aside").rename(folder / name)
    whole = (folder / "model_index.json").read_bytes()
    for name in (tiny.family.network, "vae", "scheduler", *tiny.family.text_parts):
        edit(folder / "model_index.json", lambda index, name=name: index.update({name: [None, None]}))
        is_refused(tiny, folder, f"model_index.json: {name} is null.")
        (folder / "model_index.json").write_bytes(whole)
    tiny.family.check(folder)


def test_each_model_must_be_of_its_class(tiny: Tiny, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.folder, tmp_path / "model")
    for part in tiny.family.weighted(read_model_index(folder)):
        file = folder / part / "config.json"
        whole = file.read_bytes()
        field = "architectures" if part.startswith("text_encoder") else "_class_name"
        edit(file, lambda config, field=field: config.update({field: "BertModel"}))
        is_refused(tiny, folder, f'{part}/config.json: {field} is "BertModel". Accepted: ')
        file.write_bytes(whole)


def test_each_model_must_have_whole_weights(tiny: Tiny, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.folder, tmp_path / "model")
    for part in tiny.family.weighted(read_model_index(folder)):
        (file,) = weight_files(folder, part)
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        is_refused(tiny, folder, f"{part}/{file.name}: is cut")
        file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3438167540\n")
        is_refused(tiny, folder, f"{part}/{file.name}: a git-lfs pointer")
        file.write_bytes(whole)


def test_the_network_must_read_what_the_other_components_make(tiny: Tiny, tmp_path: Path) -> None:
    folder, network = shutil.copytree(tiny.folder, tmp_path / "model"), tiny.family.network
    edit(folder / network / "config.json", lambda config: config.update(in_channels=config["in_channels"] + 4))
    is_refused(tiny, folder, f"{network}/config.json: in_channels is ")
    shutil.copytree(tiny.folder / network, folder / network, dirs_exist_ok=True)

    def widen(config: dict[str, Any]) -> None:
        for values in (config, config.get("text_config") or {}):
            values.update({name: 160 for name in ("hidden_size", "d_model", "projection_dim") if name in values})

    for part in tiny.family.weighted(read_model_index(folder)):
        if part.startswith("text_encoder"):
            edit(folder / part / "config.json", widen)
            is_refused(tiny, folder, f"{network}/config.json: ")
            shutil.copytree(tiny.folder / part, folder / part, dirs_exist_ok=True)
    tiny.family.check(folder)


def test_the_network_must_have_all_its_weights(tiny: Tiny, tmp_path: Path) -> None:
    folder, network = shutil.copytree(tiny.folder, tmp_path / "model"), tiny.family.network
    (file,) = weight_files(folder, network)
    weights = load_file(file)
    last = max(weights)
    save_file({name: weight for name, weight in weights.items() if name != last}, file)
    is_refused(tiny, folder, f"{network}: lacks 1 weights of its config.json, as {last}")
    save_file({**weights, last: torch.zeros(3, 1)}, file)
    is_refused(tiny, folder, f"{network}: {last} has the shape [3, 1]. Accepted: {list(weights[last].shape)}")


def test_tokenizers_must_fit_their_text_encoders(tiny: Tiny, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.folder, tmp_path / "model")
    for part in tiny.family.needed(read_model_index(folder)):
        if part.startswith("tokenizer"):
            edit(folder / part / "tokenizer_config.json", lambda c: c.update(added_tokens_decoder={"100000": {}}))
            is_refused(tiny, folder, f"{part}/tokenizer.json: has ids up to 100000. Accepted: below ")
            shutil.copytree(tiny.folder / part, folder / part, dirs_exist_ok=True)


def test_building_takes_no_weights_and_makes_the_parameters_that_loading_does(tiny: Tiny) -> None:
    with torch.device("meta"):
        built = tiny.family.build(tiny.folder)
    shapes = {name: parameter.shape for name, parameter in built.named_parameters()}
    assert all(parameter.is_meta for parameter in built.parameters())
    assert shapes == {name: parameter.shape for name, parameter in tiny.denoiser.named_parameters()}
    assert {parameter.dtype for parameter in tiny.denoiser.parameters()} == {torch.float32}
    assert all(name.startswith(f"{tiny.family.network}.") for name in shapes)


def test_patches_are_those_of_the_class_where_the_configuration_leaves_them_out(tiny: Tiny) -> None:
    config = tiny.family.read_config(tiny.folder, tiny.family.network)
    left_out = {name: value for name, value in config.items() if name not in ("patch_size", "pos_embed_max_size")}
    with torch.device("meta"):
        built = tiny.family.build_network(left_out).network.config
    assert tiny.family.patch_size(left_out) == tiny.family.patch_size(built)
    tiny.family.check_size(left_out, (8, 8))


@pytest.mark.parametrize("size", SIZES)
def test_an_example_has_the_shapes_of_encoded_samples(tiny: Tiny, size: tuple[int, int]) -> None:
    scale = tiny.family.latent_scale(tiny.folder)
    latents = tiny.encoders.encode_images(pixels(2, size))
    longest = [tiny.conditions[name].shape[1] for name in tiny.family.variable_length]
    tokens = max(longest, default=tiny.encoders.max_tokens)
    with torch.device("meta"):
        denoiser = tiny.family.build(tiny.folder)
        noisy, timesteps, conditions = tiny.family.example(denoiser, 2, (size[0] // scale, size[1] // scale), tokens)
        prediction = denoiser(noisy, timesteps, conditions)
    assert noisy.is_meta
    assert noisy.shape == prediction.shape == latents.shape
    assert {name: tensor.shape[1:] for name, tensor in conditions.items()} == {
        name: tensor.shape[1:] for name, tensor in tiny.conditions.items()
    }


@pytest.mark.parametrize("size", SIZES)
def test_the_pipeline_decodes_latents_as_they_were_encoded(tiny: Tiny, size: tuple[int, int]) -> None:
    check_images(tiny.folder, pixels(2, size))


def test_captions_in_a_batch_are_encoded_as_one_by_one(tiny: Tiny) -> None:
    batch = tiny.encoders.encode_captions(CAPTIONS)
    for number, caption in enumerate(CAPTIONS):
        alone = tiny.encoders.encode_captions([caption])
        assert alone.keys() == batch.keys()
        for name, (tensor,) in alone.items():
            torch.testing.assert_close(batch[name][number], tensor, atol=1e-5, rtol=1e-5)


def test_a_caption_s_prediction_does_not_depend_on_those_beside_it(tiny: Tiny) -> None:
    together = tiny.predict(tiny.denoiser.network)
    encoded = tiny.encoders.encode_captions(CAPTIONS)
    for number, timestep in enumerate((900.0, 500.0, 20.0)):
        row = {name: [tensors[number]] for name, tensors in encoded.items()}
        conditions = stack_conditions(row, tiny.family.variable_length)
        with torch.no_grad():
            alone = tiny.denoiser(tiny.latents[[number]], torch.tensor([timestep]), conditions)
        torch.testing.assert_close(alone[0], together[number], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(together[0], together[1])


def test_a_caption_changes_the_prediction(tiny: Tiny) -> None:
    one, other = (
        stack_conditions(tiny.encoders.encode_captions([caption]), tiny.family.variable_length)
        for caption in (CAPTIONS[0], "z")
    )
    timesteps = torch.tensor([500.0])
    with torch.no_grad():
        first = tiny.denoiser(tiny.latents[:1], timesteps, one)
        second = tiny.denoiser(tiny.latents[:1], timesteps, other)
    assert not torch.equal(first, second)


def test_tokens_are_counted_with_the_marks_and_not_cut_off(tiny: Tiny) -> None:
    one, two = tiny.encoders.count_tokens("a"), tiny.encoders.count_tokens("a a")
    assert 1 < one < two
    assert tiny.encoders.count_tokens("a " * 2000) > tiny.encoders.max_tokens > two


def test_what_is_read_of_a_caption_ends_at_max_tokens(tiny: Tiny) -> None:
    """A chat template's end gives way to the caption where it is too long, so that some more of it may be read."""
    room, count = tiny.encoders.max_tokens, tiny.encoders.count_tokens
    words = max(number for number in range(room) if count(" ".join("a" * number)) <= room)
    full, beyond = "a " * (words - 1), "a " * (words + count(""))
    encoded = tiny.encoders.encode_captions([full + "a", full + "b", beyond + "a a", beyond + "a b"])
    assert not all(torch.equal(tensors[0], tensors[1]) for tensors in encoded.values())
    assert all(torch.equal(tensors[2], tensors[3]) for tensors in encoded.values())


def test_leaf_modules_and_lora_targets_are_parts_of_the_network(tiny: Tiny) -> None:
    modules = dict(tiny.denoiser.network.named_modules())
    assert set(tiny.family.leaf_modules) <= {type(module).__name__ for module in modules.values()}
    for target in tiny.family.lora_targets:
        named = [module for name, module in modules.items() if name.endswith(f".{target}")]
        assert named, target
        assert all(isinstance(module, nn.Linear) for module in named), target


def test_adapters_are_loaded_by_diffusers(tiny: Tiny, tmp_path: Path) -> None:
    family, pipeline = tiny.family, DiffusionPipeline.from_pretrained(tiny.folder, local_files_only=True)
    network, theirs = copy.deepcopy(tiny.denoiser.network), getattr(pipeline, tiny.family.network)
    adapters = get_peft_model(network, LoraConfig(r=2, lora_alpha=2, target_modules=list(family.lora_targets)))
    torch.manual_seed(1)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:  # zeros, as they are made, would change nothing
            nn.init.normal_(parameter, std=0.3)
    if hasattr(pipeline, "save_lora_weights"):
        pipeline.save_lora_weights(tmp_path, **{f"{family.network}_lora_layers": get_peft_model_state_dict(network)})
        pipeline.load_lora_weights(tmp_path)
    else:  # pipelines that read no adapters leave it to peft
        adapters.save_pretrained(tmp_path)
        PeftModel.from_pretrained(theirs, tmp_path)
    adapted = tiny.predict(network)
    torch.testing.assert_close(tiny.predict(theirs), adapted, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(adapted, tiny.predict(tiny.denoiser.network), atol=1e-3)


def test_saved_weights_are_loaded_by_diffusers(tiny: Tiny, tmp_path: Path) -> None:
    network = copy.deepcopy(tiny.denoiser.network)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    out = tmp_path / "model"
    shutil.copytree(tiny.folder, out)
    network.save_pretrained(out / tiny.family.network)
    pipeline = DiffusionPipeline.from_pretrained(out, local_files_only=True)
    trained = tiny.predict(network)
    assert torch.equal(tiny.predict(getattr(pipeline, tiny.family.network)), trained)
    assert torch.equal(tiny.predict(tiny.family.load(out).network), trained)
    assert not torch.allclose(trained, tiny.predict(tiny.denoiser.network), atol=1e-3)


def test_training_on_a_sample_lowers_its_loss(tiny: Tiny) -> None:
    denoiser = copy.deepcopy(tiny.denoiser).train()
    latents, timesteps = tiny.latents[:1], torch.tensor([500.0])
    conditions = {name: tensor[:1] for name, tensor in tiny.conditions.items()}
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(2))
    noisy = 0.5 * latents + 0.5 * noise
    optimizer = torch.optim.AdamW(denoiser.parameters(), lr=3e-3)
    losses = []
    for _ in range(20):
        loss = nn.functional.mse_loss(denoiser(noisy, timesteps, conditions), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0], losses
    unused = {name for name, parameter in denoiser.named_parameters() if parameter.grad is None}
    assert all(name.startswith(UNUSED.get(tiny.family.name, ())) for name in unused), unused
