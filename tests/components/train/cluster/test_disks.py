from __future__ import annotations

from typing import Any

import pytest

from platen.components.train.cluster.disks import disk_use
from platen.components.train.node.nvme import GIB
from platen.components.train.settings import TrainSettings
from platen.core.manifest import File


@pytest.mark.parametrize(
    ("zero", "nvme"),
    [({}, []), ({"offload_optimizer": "nvme", "nvme_path": "/nvme"}, ["/nvme", 6 * 16 * 2 // 8])],
    ids=["memory", "nvme"],
)
def test_disks_must_hold_the_inputs_nine_models_and_what_is_offloaded(
    zero: dict[str, Any], nvme: list[str | int]
) -> None:
    settings = TrainSettings.model_validate({"ranks": 8, "zero": zero})
    name = "unet/diffusion_pytorch_model"
    unet = [File(path=f"{name}-0000{n}-of-00002.safetensors", size=3 * 4 * GIB, sha256="0" * 64) for n in (1, 2)]
    half = File(path=f"{name}.fp16.safetensors", size=0, sha256="0" * 64)  # is not loaded
    latents = File(path="latents/0.npy", size=GIB - 5, sha256="0" * 64)
    assert disk_use(settings, [latents], [*unet, half], ["unet"], ranks=2) == [1 + 9 * 24, *nvme]
