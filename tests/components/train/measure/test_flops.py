"""Arithmetic, by hand and against the planner's count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor, nn

from platen.artifacts.encoded import EncodedDataset
from platen.components.plan.prices import DEFAULT
from platen.components.plan.profile import profile
from platen.components.train.measure.flops import PEAKS, TERA, forward_flops, known_peak, peak_flops, sample_flops
from platen.components.train.models.denoiser import Pretrained
from platen.core.stage import Folder
from platen.families.stable_diffusion import FAMILY
from tests.components.train.small_run import write_encoded


def pretrained(base: Folder) -> Pretrained:
    return Pretrained(FAMILY, base.path, with_text_encoder=False)


class Attend(nn.Module):
    """A product of latents with weights, and attention of the text to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 5, bias=False)

    def forward(self, latents: Tensor, timesteps: Tensor, conditions: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        heads = conditions["text"].unsqueeze(1)
        return self.linear(latents), nn.functional.scaled_dot_product_attention(heads, heads, heads)


def test_products_are_counted_by_hand() -> None:
    with torch.device("meta"):
        model = Attend()
    linear = 2 * (1 * 3 * 2 * 8) * 5
    attention = 2 * (2 * 4 * 4 * 6)
    assert forward_flops(model, torch.zeros(1, 3, 2, 8), {"text": torch.zeros(1, 4, 6)}) == linear + attention


def test_the_count_is_the_planners(encoded: Folder, base: Folder) -> None:
    config = json.loads((base.path / "unet" / "config.json").read_text())
    planned = profile(config, side=8, tokens=4, precision="fp32").plain.flops
    data = EncodedDataset(encoded.path)
    assert sample_flops(pretrained(base), data, adapters=False) == pytest.approx(planned, rel=0.02)
    assert sample_flops(pretrained(base), data, adapters=True) == pytest.approx(planned * 2 / 3, rel=0.02)


def test_sizes_count_as_often_as_there_are_pictures_of_them(base: Folder, tmp_path: Path) -> None:
    write_encoded(tmp_path / "mixed", shards=3, sizes=((8, 8), (8, 16), (8, 8)))
    write_encoded(tmp_path / "square")
    mixed, square = (EncodedDataset(tmp_path / name) for name in ("mixed", "square"))
    counted = [sample_flops(pretrained(base), data, adapters=False) or 0 for data in (mixed, square)]
    assert counted[0] / counted[1] == pytest.approx(4 / 3, rel=0.02)


def test_peaks_are_those_of_the_planners_price_table() -> None:
    gpus = yaml.safe_load(DEFAULT.read_text())["gpus"]
    for name, figures in gpus.items():
        rates = figures["tflops"]
        assert PEAKS[name.partition("-")[0]] == (rates["fp32"], rates["bf16"])
        assert rates["bf16"] == rates["fp16"]


def test_a_gpu_is_known_by_a_part_of_its_name() -> None:
    assert known_peak("NVIDIA A100-SXM4-80GB", "fp32") == 19.5 * TERA
    assert known_peak("NVIDIA H100 80GB HBM3", "bf16") == 989 * TERA
    assert known_peak("Radeon", "bf16") is None


def test_a_cpu_is_tried() -> None:
    peak = peak_flops(torch.device("cpu"), "fp32")
    assert peak is not None and 1e8 < peak < 1e14
