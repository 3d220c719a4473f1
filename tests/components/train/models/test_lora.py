from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file

from platen.components.train.models.lora import add_adapters, check_targets, merge_adapters
from platen.components.train.models.settings import LoraSettings, check_adapters
from platen.core.errors import SettingsError
from platen.core.stage import Folder
from platen.families.diffusers_models import NetworkDenoiser
from platen.families.stable_diffusion import FAMILY, StableDiffusion
from tests.components.train.small_run import run, settings, weights

CHOSEN = settings(steps=10, checkpoints={"every": 4, "keep_last": 2}, lora={"rank": 4, "alpha": 8.0})
PROBE = (torch.ones(1, 4, 8, 8), torch.tensor([500]), torch.ones(1, 4, 32))
ADAPTER = "lora/pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def trained(embeddings: Folder, tiny_model: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared place of a run on two ranks that trained adapters."""
    shared = tmp_path_factory.mktemp("lora") / "shared"
    run(shared, embeddings, tiny_model, CHOSEN)
    return shared


def unet_of(model: Path) -> Any:
    return UNet2DConditionModel.from_pretrained(model / "unet", low_cpu_mem_usage=False).eval()


@torch.no_grad()
def predict(unet: Any) -> torch.Tensor:
    found: torch.Tensor = unet(*PROBE).sample
    return found


def test_adapters_change_nothing_until_they_are_trained(tiny_model: Folder) -> None:
    model = NetworkDenoiser(FAMILY, unet_of(tiny_model.path))
    before = predict(model.network)
    add_adapters(model, FAMILY, LoraSettings(rank=4), seed=0)
    assert predict(model.network).equal(before)
    assert {name.split(".")[-3] for name, part in model.named_parameters() if part.requires_grad} == {
        "lora_A",
        "lora_B",
    }


def test_merged_adapters_predict_what_they_did_beside_the_weights(tiny_model: Folder) -> None:
    model = NetworkDenoiser(FAMILY, unet_of(tiny_model.path))
    names = [name for name, _ in model.named_parameters()]
    add_adapters(model, FAMILY, LoraSettings(rank=4, alpha=2.0), seed=0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    beside = predict(model.network)
    merge_adapters(model.network)
    assert predict(model.network).allclose(beside, atol=1e-5)
    assert [name for name, _ in model.named_parameters()] == names


def test_the_folder_is_the_base_with_its_adapters(trained: Path, tiny_model: Folder) -> None:
    """Both ways that diffusers reads it: the folder alone, and the adapters loaded onto the base's pipeline."""
    alone = DiffusionPipeline.from_pretrained(trained / "export")
    base = DiffusionPipeline.from_pretrained(tiny_model.path)
    before = predict(base.unet)
    base.load_lora_weights(trained / "export" / "lora")
    assert predict(base.unet).allclose(predict(alone.unet), atol=1e-5)
    assert not predict(base.unet).allclose(before, atol=1e-3)


def test_nothing_but_the_targets_moved(trained: Path, tiny_model: Folder) -> None:
    start, end = unet_of(tiny_model.path).state_dict(), unet_of(trained / "export").state_dict()
    moved = {name for name in start if not start[name].equal(end[name])}
    ends = tuple(f"{target}.weight" for target in FAMILY.lora_targets)
    assert moved == {name for name in start if name.endswith(ends)}


def test_what_is_split_and_averaged_is_the_adapters(trained: Path) -> None:
    from tests.components.train.small_run import result

    told = result(trained)
    adapters = load_file(trained / "export" / ADAPTER)
    assert told["zero"]["parameters"] == sum(tensor.numel() for tensor in adapters.values())
    assert sum(told["zero"]["parameters_per_rank"]) == told["zero"]["parameters"]
    assert told["export_error"] < 1e-4


def test_a_resumed_run_writes_the_same_bytes(
    trained: Path, embeddings: Folder, tiny_model: Folder, tmp_path: Path
) -> None:
    shared = shutil.copytree(trained, tmp_path / "shared")
    (shared / "result.json").unlink()
    shutil.rmtree(shared / "export")
    shutil.rmtree(max((shared / "checkpoints").iterdir()))
    again = run(shared, embeddings, tiny_model, CHOSEN)
    assert again["began"] == [0, 8]
    assert weights(shared / "export") == weights(trained / "export")
    assert (shared / "export" / ADAPTER).read_bytes() == (trained / "export" / ADAPTER).read_bytes()


def test_adapters_in_bf16_at_another_stage(embeddings: Folder, tiny_model: Folder, tmp_path: Path) -> None:
    options = {"precision": "bf16", "gradient_checkpointing": True, "zero": {"stage": 1}}
    chosen = settings(steps=4, lora={"rank": 2}, **options)
    done = run(tmp_path / "shared", embeddings, tiny_model, chosen)
    assert 0 < done["export_error"] < 5e-2


def test_scale_and_rank_lie_with_the_adapters(trained: Path) -> None:
    with safe_open(trained / "export" / ADAPTER, "pt") as file:
        said = file.metadata()["lora_adapter_metadata"]
    assert '"unet.lora_alpha": 8.0' in said
    assert '"unet.r": 4' in said


def test_a_target_that_is_no_layer_is_refused_with_those_that_are(tiny_model: Folder) -> None:
    with pytest.raises(SettingsError, match=r"train\.lora\.targets: 'to_x': the network has no such layer.*to_q"):
        check_targets(unet_of(tiny_model.path), ["to_q", "to_x"])


def test_token_ids_are_refused() -> None:
    check_adapters(LoraSettings(), FAMILY, as_tokens=False)
    check_adapters(None, FAMILY, as_tokens=True)
    with pytest.raises(SettingsError, match=r"train\.lora: adapters leave the text encoder.*encode\.text: embeddings"):
        check_adapters(LoraSettings(), FAMILY, as_tokens=True)


def test_a_network_that_takes_no_adapters_is_refused() -> None:
    family = StableDiffusion()
    family.takes_adapters = False
    with pytest.raises(SettingsError, match=r"train\.lora: the network of stable-diffusion takes no adapters"):
        check_adapters(LoraSettings(), family, as_tokens=False)
