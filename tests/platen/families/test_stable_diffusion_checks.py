"""What the components of Stable Diffusion must agree on, held against the real classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platen.core.errors import InputError
from platen.core.stage import Folder
from platen.families.layout import check_fields, tensor_shapes, weight_files
from platen.families.stable_diffusion_checks import CONDITIONED, outer_layers, unet_fields

PARTS = ("unet", "vae", "text_encoder")


@pytest.fixture(scope="module")
def configs(tiny_model: Folder) -> dict[str, dict[str, Any]]:
    return {part: json.loads((tiny_model.path / part / "config.json").read_bytes()) for part in PARTS}


@pytest.mark.parametrize("part", PARTS)
def test_outer_layers_have_the_shapes_that_diffusers_gives_them(
    configs: dict[str, dict[str, Any]], tiny_model: Folder, part: str
) -> None:
    found = tensor_shapes(weight_files(tiny_model.path, part))
    shapes = {name.removeprefix("text_model."): info.shape for name, info in found.items()}
    wanted = outer_layers(configs)[part]
    assert {name: tuple(shapes[name]) for name in wanted} == wanted


def check(configs: dict[str, dict[str, Any]], width: int = 32, **unet: Any) -> None:
    changed = {**configs, "unet": {**configs["unet"], **unet}}
    check_fields(Path("c.json"), changed["unet"], unet_fields(changed, width, "hidden_size"))


def test_a_unet_that_fits_passes_whatever_form_its_widths_have(configs: dict[str, dict[str, Any]]) -> None:
    check(configs)
    check(configs, cross_attention_dim=[32] * len(configs["unet"]["block_out_channels"]))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"in_channels": 9}, r"in_channels is 9\. Accepted: 4 \(latent_channels of vae"),
        ({"cross_attention_dim": 64}, r"cross_attention_dim is 64\. Accepted: 32 \(hidden_size\)"),
        ({"cross_attention_dim": [32, 64]}, r"cross_attention_dim is \[32, 64\]"),
        ({"conv_in_kernel": 0}, r"conv_in_kernel is 0"),
        *(({name: 1}, rf"{name} is 1\. Accepted: null") for name in CONDITIONED),
    ],
)
def test_a_unet_that_reads_something_else_is_refused(
    configs: dict[str, dict[str, Any]], change: dict[str, Any], fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        check(configs, **change)
